#!/bin/sh
# Print what the observer can do: its interface, its addresses, its programs. Reads only.
# usage: observer_state.sh INTERFACE PYTHON
set -u
LC_ALL=C export LC_ALL
for program in ip tcpdump ping; do
    path=$(command -v "$program") && printf '%s=%s\n' "$program" "$path"
done
# What sender.py needs: Python 3.7, its modules, and the right to open a raw socket.
if "$2" -c 'from __future__ import annotations
import errno, gc, json, signal, struct, time, socket
time.clock_gettime_ns
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)' >/dev/null 2>&1; then
    printf 'python=%s\n' "$(command -v "$2")"
fi
printf 'uid=%s\n' "$(id -u)"
if command -v ip >/dev/null; then
    printf 'addresses=%s\n' "$(ip -d -j addr show dev "$1" 2>/dev/null | tr -d '\n')"
    printf 'vlans=%s\n' "$(ip -d -j link show type vlan 2>/dev/null | tr -d '\n')"
fi
