#!/bin/sh
# Take links of VFs away on the host that carries them, or give them back, and say how long that took by its clock.
# usage: link_act.sh pf|vf down|up PF:INDEX:HELD...
# pf: the whole PF is set down; vf: only the VF's link state. Its former state is in the undo script of its lock.
# Nothing is changed unless every lock is held by the token HELD; while it is, whoever undoes it waits.
set -u
LC_ALL=C export LC_ALL
kind=$1 do=$2
base=${VFPROOF_RUN:-/run/vfproof}
shift 2

taken_apart() { # PF:INDEX:HELD
    pf=${1%%:*} index=${1#*:}
    held=${index#*:} index=${index%%:*}
    lock=$base/$kind-$pf
    [ "$kind" = pf ] || lock=$lock-$index
}

may_act() { # First say that we act, then look whether we may: who undoes does the same the other way round.
    { printf '%s\n' "$$" >"$lock/acting"; } 2>/dev/null || return 1
    now=
    { IFS= read -r now <"$lock/token"; } 2>/dev/null || return 1
    [ "$now" = "$held" ] && [ ! -e "$lock/undoing" ]
}

all_have_acted() {
    for link; do
        taken_apart "$link"
        { printf '' >"$lock/acting"; } 2>/dev/null || true
    done
}

change() {
    case $kind-$do in
    pf-*) ip link set dev "$pf" "$do" ;;
    vf-down) ip link set dev "$pf" vf "$index" state disable ;;
    vf-up) sh "$lock/undo" ;;
    esac
}

ip -V >/dev/null 2>&1 || { echo missing=ip && exit 0; }
for link; do
    taken_apart "$link"
    may_act || { all_have_acted "$@" && echo too_late=yes && exit 0; }
done
printf 'marked_at=%s\n' "$(date +%s.%N)"
message='' status=0
for link; do
    taken_apart "$link"
    said=$(change 2>&1) || status=$?
    message="$message$said"
done
printf 'done_at=%s\nstatus=%s\nmessage=%s\n' "$(date +%s.%N)" "$status" "$(printf '%s' "$message" | tr '\n' ' ')"
all_have_acted "$@"
