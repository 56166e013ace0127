#!/bin/sh
# Take links of VFs away on the host that carries them, or give them back, and say how long that took by its clock.
# usage: link_act.sh pf|vf down|up PF:INDEX...
# pf: the whole PF is set down; vf: only the VF's link state. Its former state is in the undo script of its lock.
set -u
LC_ALL=C export LC_ALL
kind=$1 do=$2
shift 2

change() { # PF INDEX
    case $kind-$do in
    pf-*) ip link set dev "$1" "$do" ;;
    vf-down) ip link set dev "$1" vf "$2" state disable ;;
    vf-up) sh "${VFPROOF_RUN:-/run/vfproof}/vf-$1-$2/undo" ;;
    esac
}

ip -V >/dev/null 2>&1 || { echo missing=ip && exit 0; }
printf 'marked_at=%s\n' "$(date +%s.%N)"
message='' status=0
for link; do
    said=$(change "${link%:*}" "${link##*:}" 2>&1) || status=$?
    message="$message$said"
done
printf 'done_at=%s\nstatus=%s\nmessage=%s\n' "$(date +%s.%N)" "$status" "$(printf '%s' "$message" | tr '\n' ' ')"
