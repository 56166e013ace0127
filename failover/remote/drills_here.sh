#!/bin/sh
# Print the drills that hold something of this machine now, one `lock=NAME` for each whose undo timer lives. Reads only.
# usage: drills_here.sh
set -u
LC_ALL=C export LC_ALL
for lock in "${VFPROOF_RUN:-/run/vfproof}"/*; do
    [ -d "$lock" ] || continue
    holder=
    # shellcheck disable=SC2162 # nothing of ours has a backslash
    { read holder <"$lock/holder"; } 2>/dev/null || true
    case $holder in # as arm.sh tells who lives
    unit:*) systemctl is-active --quiet "${holder#unit:}.timer" || continue ;;
    pid:*) tr '\0' ' ' <"/proc/${holder#pid:}/cmdline" 2>/dev/null | grep -qF "$lock/undo" || continue ;;
    *) [ -n "$(find "$lock" -prune -mmin -2)" ] || continue ;; # being made this moment, or a reboot that begins
    esac
    printf 'lock=%s\n' "${lock##*/}"
done
