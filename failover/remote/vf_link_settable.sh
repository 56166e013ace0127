#!/bin/sh
# Whether the driver of a PF lets the link state of a VF be set: sets it to what it is. Prints `settable=yes`, or why not.
# usage: vf_link_settable.sh PF INDEX
set -u
LC_ALL=C export LC_ALL
pf=$1 index=$2
state=$(ip link show dev "$pf" | sed -n "s/^ *vf $index .*link-state \([a-z]*\).*/\1/p")
if [ -z "$state" ]; then
    echo "settable=the driver does not tell it"
elif said=$(ip link set dev "$pf" vf "$index" state "$state" 2>&1); then
    echo settable=yes
else
    printf 'settable=%s\n' "$(printf '%s' "$said" | tr '\n' ' ')"
fi
