#!/bin/sh
# Wait until the undo timer of a lock has run out and opened it. Prints `unlocked=yes`, or `unlocked=no` at the deadline.
# usage: await_unlock.sh LOCK TOKEN SECONDS
set -u
LC_ALL=C export LC_ALL
lock=${VFPROOF_RUN:-/run/vfproof}/$1
ends=$(($(date +%s) + $3))
while [ "$(cat "$lock/token" 2>/dev/null)" = "$2" ]; do
    [ "$(date +%s)" -le "$ends" ] || { echo unlocked=no && exit 0; }
    sleep 0.2
done
echo unlocked=yes
