#!/bin/sh
# Print the observer's own neighbour entry for an address whenever it differs from the line before, until it is ended
# or SECONDS have passed. The entry is only read: it must move by what the guest announces.
# usage: neighbour.sh INTERFACE ADDRESS SECONDS
set -u
LC_ALL=C export LC_ALL
before=none
until_s=$(($(date +%s) + $3))
while now=$(date +%s.%N) && [ "${now%.*}" -lt "$until_s" ]; do
    entry=$(ip neigh show to "$2" dev "$1")
    if [ "$entry" != "$before" ]; then
        printf '%s %s\n' "$now" "$entry" || exit 0
        before=$entry
    fi
    sleep 0.02
done
