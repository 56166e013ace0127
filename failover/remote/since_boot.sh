#!/bin/sh
# Print how far a machine has come since it was booted: its VFs, its libvirt and running domains, its bonds. Reads only.
# libvirt itself is not asked: where it is started by its socket, the question would start it, and it the guests.
# usage: since_boot.sh
set -u
LC_ALL=C export LC_ALL

pfs() {
    for counter in /sys/bus/pci/devices/*/sriov_numvfs; do
        [ -r "$counter" ] || continue
        pf=${counter%/sriov_numvfs} there=0 last=0
        read -r number <"$counter" || continue
        for vf in "$pf"/virtfn*; do
            [ -e "$vf" ] || continue
            there=$((there + 1))
            # When udev had the VF for the first time, in us of the kernel's clock (systemd: sd_device_get_usec_initialized).
            usec=$(sed -n 's/^I:\([0-9]\{1,15\}\)$/\1/p' "/run/udev/data/+pci:$(basename "$(readlink "$vf")")" 2>/dev/null)
            [ "${usec:-0}" -le "$last" ] || last=$usec
        done
        printf 'pf=%s %s %s %s\n' "${pf##*/}" "$number" "$there" "$last"
    done
}

domains() {
    run=/run/libvirt/qemu
    if [ -d "$run" ] && ! [ -r "$run" ]; then
        printf 'domains=denied\n'
        return
    fi
    printf 'domains=read\n'
    for file in "$run"/*.xml; do
        [ ! -e "$file" ] || printf 'domain=%s\n' "$(basename "$file" .xml)"
    done
}

bonds() {
    for bonding in /sys/class/net/*/bonding; do
        [ -d "$bonding" ] || continue
        bond=${bonding%/bonding}
        slaves=
        read -r slaves <"$bonding/slaves" || true
        printf 'bond=%s\n' "${bond##*/}"
        for slave in $slaves; do
            printf 'slave=%s %s %s\n' "${bond##*/}" "$slave" \
                "$(cat "/sys/class/net/$slave/bonding_slave/mii_status" 2>/dev/null)"
        done
    done
}

printf 'boot_id=%s\n' "$(cat /proc/sys/kernel/random/boot_id)"
read -r uptime _ </proc/uptime
printf 'uptime=%s\n' "$uptime"
pfs
domains
bonds
if [ -d /run/systemd/system ]; then
    printf 'system=%s\n' "$(systemctl is-system-running 2>/dev/null)"
    systemctl show -p Id -p ActiveState -p ActiveEnterTimestampMonotonic libvirtd.service virtqemud.service 2>/dev/null |
        sed 's/^/unit./'
fi
