#!/bin/sh
# Do one thing to a bond, with a marker frame to the observer right before, and wait until the bond has followed.
# No second marker: a guest that has a new MAC asks for the observer's again before it can send, and so would teach the
# observer what only its announcements should.
# Runs under bash where there is one: only bash sends a datagram without starting a program.
# It changes nothing unless it finds the lock held by HELD; while it does, whoever undoes it waits.
# usage: act.sh LOCK HELD BOND WAY OBSERVER_ADDRESS TOKEN WANTED_ACTIVE WANTED_MAC WAIT_MS SLAVE...
# WAY: auto, ifenslave, iproute2, sysfs, down, up, wait, wait-up
# wait, wait-up: somebody else has taken the link away, or given it back.
# WANTED_ACTIVE is empty when no slave is to be active afterwards.
set -u
LC_ALL=C export LC_ALL
lock=${VFPROOF_RUN:-/run/vfproof}/$1 held=$2 bond=$3 way=$4 observer=$5 token=$6 wanted=$7 wanted_mac=$8 wait_ms=$9
shift 9
net=${VFPROOF_NET:-/sys/class/net}
active=$net/$bond/bonding/active_slave

stamp() {
    if [ -n "${EPOCHREALTIME-}" ]; then
        printf '%s=%s\n' "$1" "$EPOCHREALTIME"
    else
        printf '%s=%s\n' "$1" "$(date +%s.%N)"
    fi
}

seconds() { # now_s: the time in whole seconds
    now_s=${EPOCHREALTIME-}
    now_s=${now_s%[.,]*}
    [ -n "$now_s" ] || now_s=$(date +%s)
}

mark() {
    case $marker in
    udp)
        # shellcheck disable=SC3025 # only reached under bash
        { printf '%s' "$token" >"/dev/udp/$observer/9"; } 2>/dev/null || true
        ;;
    ping) ping -n -q -c 1 -W 1 -p "$(printf '%s' "$token" | od -An -tx1 | tr -d ' \n')" "$observer" >/dev/null ;;
    esac
}

change() {
    case $way in
    ifenslave) ifenslave -c "$bond" "$1" ;;
    iproute2) ip link set dev "$bond" type bond active_slave "$1" ;;
    sysfs) printf '%s\n' "$1" >"$active" ;;
    down | up) for nic; do ip link set dev "$nic" "$way" || return; done ;;
    esac
}

may_act() { # First say that we act, then look whether we may: who undoes does the same the other way round.
    { printf '%s\n' "$$" >"$lock/acting"; } 2>/dev/null || return 1
    now=
    { IFS= read -r now <"$lock/token"; } 2>/dev/null || return 1
    [ "$now" = "$held" ] && [ ! -e "$lock/undoing" ]
}

has_acted() {
    { printf '' >"$lock/acting"; } 2>/dev/null || true
}

followed() { # SLAVE...: the active slave is the wanted one, and a link that was given back is seen by the bond
    now=
    IFS= read -r now <"$active" || true
    [ "$now" = "$wanted" ] || return 1
    # The driver names the new slave a moment before it takes over its MAC (bond_change_active_slave).
    IFS= read -r now <"$net/$bond/address" || return 1
    [ "$now" = "$wanted_mac" ] || return 1
    case $way in up | wait-up) ;; *) return 0 ;; esac
    for nic; do
        IFS= read -r status <"$net/$nic/bonding_slave/mii_status" || return 1
        [ "$status" = up ] || return 1
    done
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
iproute2 | down | up) ip -V >/dev/null 2>&1 || { echo missing=ip && exit 0; } ;;
esac
marker=none
command -v ping >/dev/null && marker=ping
[ -n "${BASH_VERSION-}" ] && marker=udp
[ -n "$observer" ] || marker=none
printf 'way=%s\nmarker=%s\nactive_before=%s\n' "$way" "$marker" "$(cat "$active")"

case $way in
wait | wait-up) ;;
*) may_act || { has_acted && echo too_late=yes && exit 0; } ;;
esac
stamp marked_at
mark
message=$(change "$@" 2>&1)
status=$?
stamp done_at
has_acted
printf 'status=%s\nmessage=%s\n' "$status" "$(printf '%s' "$message" | tr '\n' ' ')"

# By the clock and not by counting: on a slow guest each `sleep` takes much longer than it is told.
seconds
ends=$((now_s + (wait_ms + 999) / 1000))
while ! followed "$@" && seconds && [ "$now_s" -le "$ends" ]; do
    sleep 0.05
done
stamp seen_at
printf 'active_after=%s\nmac_after=%s\n' "$(cat "$active")" "$(cat "$net/$bond/address")"
