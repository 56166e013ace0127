#!/bin/sh
# Print what a drill must know about a bond, and must find again afterwards. Reads only.
# usage: bond_state.sh BOND
set -u
LC_ALL=C export LC_ALL
bond=$1
bonding=/sys/class/net/$bond/bonding

say() { # key, file: one line, empty when the file is empty, nothing when there is no such file
    if [ -r "$2" ]; then
        value=
        IFS= read -r value <"$2" || true
        printf '%s=%s\n' "$1" "$value"
    fi
}

say boot_id /proc/sys/kernel/random/boot_id
if [ ! -d "$bonding" ]; then
    printf 'absent=%s\n' "$bond"
    exit 0
fi
for option in mode active_slave primary primary_reselect fail_over_mac miimon updelay downdelay arp_interval \
    peer_notif_delay num_grat_arp; do
    say "$option" "$bonding/$option"
done
say mac "/sys/class/net/$bond/address"
say mii_status "$bonding/mii_status"
say arp_notify "/proc/sys/net/ipv4/conf/$bond/arp_notify"
if [ -e "/sys/class/net/$bond/master" ]; then
    master=$(basename "$(readlink "/sys/class/net/$bond/master")")
    printf 'master=%s\n' "$master"
    if [ -d "/sys/class/net/$master/bridge" ]; then
        say bridge_mac "/sys/class/net/$master/address"
        say bridge_mac_from "/sys/class/net/$master/addr_assign_type"
        say bridge_arp_notify "/proc/sys/net/ipv4/conf/$master/arp_notify"
        for port in "/sys/class/net/$master/brif"/*; do
            [ "${port##*/}" = "$bond" ] || say bridge_port_mac "/sys/class/net/${port##*/}/address"
        done
    fi
fi
read -r slaves <"$bonding/slaves" || true
for slave in $slaves; do
    of=/sys/class/net/$slave
    printf 'slave=%s %s %s %s %s\n' "$slave" "$(cat "$of/bonding_slave/state")" "$(cat "$of/address")" \
        "$(cat "$of/bonding_slave/perm_hwaddr")" "$(cat "$of/bonding_slave/mii_status")"
    if [ -e "$of/device/driver" ]; then
        printf 'driver=%s %s\n' "$slave" "$(basename "$(readlink "$of/device/driver")")"
    fi
done
printf 'ssh_connection=%s\n' "${SSH_CONNECTION-}"
if command -v ip >/dev/null; then
    printf 'addresses=%s\n' "$(ip -d -j addr show | tr -d '\n')"
fi
