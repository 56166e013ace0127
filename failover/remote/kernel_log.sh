#!/bin/sh
# Print the newest lines of the kernel's log, each with its time since boot. Reads only.
# usage: kernel_log.sh LINES
set -u
LC_ALL=C export LC_ALL
lines=$1

if said=$(dmesg 2>&1); then
    printf 'by=dmesg\n'
    printf '%s\n' "$said" | tail -n "$lines"
elif found=$(journalctl -k -b -q --no-pager -o short-monotonic -n "$lines" 2>/dev/null) && [ -n "$found" ]; then
    printf 'by=journalctl\n%s\n' "$found"
else
    printf 'denied=%s\n' "$(printf '%s\n' "$said" | head -n 1)"
fi
