#!/bin/sh
# Print what the observer can do: its interface, its addresses, its programs. Reads only.
# usage: observer_state.sh INTERFACE
set -u
LC_ALL=C export LC_ALL
for program in ip tcpdump ping; do
    path=$(command -v "$program") && printf '%s=%s\n' "$program" "$path"
done
printf 'uid=%s\n' "$(id -u)"
if command -v ip >/dev/null; then
    printf 'addresses=%s\n' "$(ip -d -j addr show dev "$1" 2>/dev/null | tr -d '\n')"
    printf 'vlans=%s\n' "$(ip -d -j link show type vlan 2>/dev/null | tr -d '\n')"
fi
