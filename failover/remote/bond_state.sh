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
    printf 'master=%s\n' "$(basename "$(readlink "/sys/class/net/$bond/master")")"
fi
read -r slaves <"$bonding/slaves" || true
for slave in $slaves; do
    of=/sys/class/net/$slave
    printf 'slave=%s %s %s %s %s\n' "$slave" "$(cat "$of/bonding_slave/state")" "$(cat "$of/address")" \
        "$(cat "$of/bonding_slave/perm_hwaddr")" "$(cat "$of/bonding_slave/mii_status")"
done
printf 'ssh_connection=%s\n' "${SSH_CONNECTION-}"
if command -v ip >/dev/null; then
    printf 'addresses=%s\n' "$(ip -d -j addr show | tr -d '\n')"
fi
