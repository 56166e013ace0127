#!/bin/sh
# Bring back what arm.sh wrote down, then disarm its timer and open the lock, in this order, so that a death in between
# leaves the timer to do the same again. Prints `given_back=...`.
# usage: give_back.sh LOCK TOKEN
set -u
LC_ALL=C export LC_ALL
lock=${VFPROOF_RUN:-/run/vfproof}/$1

if [ "$(cat "$lock/token" 2>/dev/null)" != "$2" ]; then
    printf 'given_back=the timer had done it already\n'
    exit 0
fi
sh "$lock/undo" || exit 1
holder=$(cat "$lock/holder")
case $holder in
unit:*) systemctl stop "${holder#unit:}.timer" ;;
pid:*)
    # The waiting shell leads its own process group: its sleep goes with it.
    if tr '\0' ' ' <"/proc/${holder#pid:}/cmdline" 2>/dev/null | grep -qF "$lock/undo"; then
        kill -- "-${holder#pid:}" 2>/dev/null || kill "${holder#pid:}"
    fi
    ;;
esac
rm -rf "$lock"
printf 'given_back=yes\n'
