#!/bin/sh
# Bring back what arm.sh wrote down, then disarm its timer and open the lock, in this order, so that a death in between
# leaves the timer to do the same again. Prints `given_back=...`.
# usage: give_back.sh LOCK TOKEN
set -u
LC_ALL=C export LC_ALL
lock=${VFPROOF_RUN:-/run/vfproof}/$1

line_of() { # FILE: its first line, in $line; empty when there is none
    line=
    # shellcheck disable=SC2162 # nothing of ours has a backslash
    { read line <"$1"; } 2>/dev/null || true
}

line_of "$lock/token"
if [ "$line" != "$2" ]; then
    printf 'given_back=the timer had done it already\n'
    exit 0
fi
# Nobody begins to change anything now, and whoever is changing something is waited for: else that came after us.
printf '' >"$lock/undoing"
tries=0
line_of "$lock/acting"
while [ -n "$line" ] && [ $tries -lt 100 ] && kill -0 "$line" 2>/dev/null; do
    tries=$((tries + 1))
    sleep 0.1
    line_of "$lock/acting"
done
sh "$lock/undo" || {
    printf 'given_back=it failed; the timer will try again\n'
    exit 0
}
line_of "$lock/holder"
holder=$line
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
