#!/bin/sh
# Make one slave of a bond the active one, with a marker frame to the observer right before.
# No second marker: a guest that has a new MAC asks for the observer's again before it can send, and so would teach the
# observer what only its announcements should.
# Runs under bash where there is one: only bash sends a datagram without starting a program.
# usage: switch.sh BOND SLAVE auto|ifenslave|iproute2|sysfs OBSERVER_ADDRESS TOKEN
set -u
LC_ALL=C export LC_ALL
bond=$1 slave=$2 way=$3 observer=$4 token=$5
active=/sys/class/net/$bond/bonding/active_slave

stamp() {
    if [ -n "${EPOCHREALTIME-}" ]; then
        printf '%s=%s\n' "$1" "$EPOCHREALTIME"
    else
        printf '%s=%s\n' "$1" "$(date +%s.%N)"
    fi
}

mark() {
    case $marker in
    udp)
        # shellcheck disable=SC3025 # only reached under bash
        printf '%s' "$token" >"/dev/udp/$observer/9"
        ;;
    ping) ping -n -q -c 1 -W 1 -p "$(printf '%s' "$token" | od -An -tx1 | tr -d ' \n')" "$observer" >/dev/null ;;
    esac
}

change() {
    case $way in
    ifenslave) ifenslave -c "$bond" "$slave" ;;
    iproute2) ip link set dev "$bond" type bond active_slave "$slave" ;;
    sysfs) printf '%s\n' "$slave" >"$active" ;;
    esac
}

# An ifenslave of Debian's is a set of ifupdown scripts and no program: only what can be run counts.
if [ "$way" = auto ]; then
    way=sysfs
    command -v ip >/dev/null && way=iproute2
    command -v ifenslave >/dev/null && way=ifenslave
fi
# The program comes from disk now, so that its loading is not measured as the bond's latency.
case $way in
ifenslave) ifenslave -V >/dev/null 2>&1 || command -v ifenslave >/dev/null || { echo missing=ifenslave && exit 0; } ;;
iproute2) ip -V >/dev/null 2>&1 || { echo missing=ip && exit 0; } ;;
esac
marker=none
command -v ping >/dev/null && marker=ping
[ -n "${BASH_VERSION-}" ] && marker=udp
printf 'way=%s\nmarker=%s\nactive_before=%s\n' "$way" "$marker" "$(cat "$active")"

stamp marked_at
mark
message=$(change 2>&1)
status=$?
stamp done_at
printf 'status=%s\nmessage=%s\n' "$status" "$(printf '%s' "$message" | tr '\n' ' ')"

tries=0
while [ "$(cat "$active")" != "$slave" ] && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
stamp seen_at
printf 'active_after=%s\nmac_after=%s\n' "$(cat "$active")" "$(cat "/sys/class/net/$bond/address")"
