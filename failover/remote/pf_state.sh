#!/bin/sh
# Print what a drill must find again of PFs and their VFs, one line of JSON for each. Reads only.
# usage: pf_state.sh PF...
set -u
LC_ALL=C export LC_ALL
for pf; do
    printf '%s=%s\n' "$pf" "$(ip -d -j link show dev "$pf" | tr -d '\n')"
done
