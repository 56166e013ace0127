"""Faults that an administrator can make on an SR-IOV host or in its guest: how each is put, taken back, and told.

Every script is POSIX sh, run by root on the node, and stops at its first failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Said:
    """Pieces of a broken row: what was found, what was wanted, where it was read, and what to do about it."""

    found: str
    wanted: str
    read: str
    fix: str


@dataclass(frozen=True)
class Fault:
    """One mistake, and exactly the statements that it must break."""

    area: str
    node: str
    put: str
    back: str
    broken: Mapping[str, Said] = field(default_factory=dict)
    advised: Mapping[str, str] = field(default_factory=dict)


_RULES = "/etc/udev/rules.d/70-sriov-vfs.rules"
_BOND = "/sys/class/net/bond0/bonding"
_INTERRUPTS = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"

COMMENT_BEHIND_A_RULE = Fault(
    "udev: a comment behind a rule (class E7)",
    "kvm-1",
    put=f"cp -p {_RULES} /root/rules.kept; sed -i '/01:00.0/s/$/  # two of them/' {_RULES}",
    back=f"mv /root/rules.kept {_RULES}",
    broken={
        "test_every_sriov_rule_is_read": Said(
            "70-sriov-vfs.rules:3", "comment", "70-sriov-vfs.rules", "udevadm verify"
        ),
        "test_vfs_come_back_after_a_reboot": Said(
            "the 2 that run now are lost", "wanted 2", "70-sriov-vfs.rules:3", 'KERNELS=="0000:01:00.0"'
        ),
    },
)

PARAMETER_NOT_APPLIED = Fault(
    "kernel parameters: edited in /etc/default/grub, never applied",
    "kvm-1",
    put=(
        "cp -p /etc/default/grub /root/grub.kept; "
        """sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="iommu.strict=1"/' /etc/default/grub"""
    ),
    back="mv /root/grub.kept /etc/default/grub",
    broken={
        "test_boot_entry_has_the_configured_parameters": Said(
            "edited but not applied",
            "'iommu.strict=1' of /etc/default/grub:5",
            "/boot/grub/grub.cfg",
            "update-grub",
        )
    },
)

UNSAFE_INTERRUPTS = Fault(
    "VFIO: interrupts that a guest may forge",
    "kvm-1",
    put=f"echo Y >{_INTERRUPTS}",
    back=f"echo N >{_INTERRUPTS}",
    advised={"test_vfio_keeps_its_guards": f"{_INTERRUPTS} is Y"},
)

ANOTHER_MAC_ON_THE_PF = Fault(
    "SR-IOV at run time: another MAC on the PF than the guest was given",
    "kvm-1",
    put="ip link set enp2s0 vf 0 mac 52:54:00:77:00:99",
    back="ip link set enp2s0 vf 0 mac 52:54:00:77:00:11",
    broken={
        "test_vf_settings_are_as_wanted": Said(
            "enp2s0 VF 0: mac is 52:54:00:77:00:99",
            "wanted 52:54:00:77:00:11",
            "ip -d -j link show",
            "ip link set PF vf N",
        ),
        "test_the_guests_macs_agree": Said(
            "the PF has 52:54:00:77:00:99",
            "has MAC 52:54:00:77:00:11 in the XML",
            "ip -d -j link show",
            "start the domain",
        ),
    },
)

VLAN_BEHIND_LIBVIRT = Fault(
    "SR-IOV at run time: a VLAN set behind libvirt's back",
    "kvm-1",
    put="ip link set enp2s0 vf 0 vlan 5",
    back="ip link set enp2s0 vf 0 vlan 0",
    broken={
        "test_the_guests_vlans_agree": Said("the PF has 5", "has VLAN none in the XML", "ip -d -j link show", "<vlan>"),
        "test_vfs_of_a_bond_are_in_one_vlan": Said(
            "enp2s0 has VLAN 5", "wanted the same", "ip -d -j link show", "the same <vlan> for all"
        ),
    },
)

OTHER_DRIVER = Fault(
    "SR-IOV at run time: a VF of the host's own taken by vfio-pci",
    "kvm-1",
    put=(
        "cd /sys/bus/pci/devices/0000:01:10.2; echo 0000:01:10.2 >driver/unbind; echo vfio-pci >driver_override; "
        "echo 0000:01:10.2 >/sys/bus/pci/drivers/vfio-pci/bind"
    ),
    # Its driver tells the PF the random MAC that it takes; before, there was none.
    back=(
        "cd /sys/bus/pci/devices/0000:01:10.2; echo 0000:01:10.2 >driver/unbind; echo >driver_override; "
        "echo 0000:01:10.2 >/sys/bus/pci/drivers/igbvf/bind; udevadm settle -t 20; "
        "ip link set enp1s0 vf 1 mac 00:00:00:00:00:00"
    ),
    broken={
        "test_every_vf_has_a_driver": Said(
            "enp1s0 VF 1 (0000:01:10.2) has vfio-pci", "wanted igbvf", "/sys/bus/pci/devices/*/driver", "bind the VF"
        )
    },
    advised={"test_vf_macs_are_set_and_unique": "no administrative MAC on enp1s0 VF 1"},
)

COPIED_DOMAIN = Fault(
    "libvirt: a domain copied with VFs and MACs, and a limit on its memory",
    "kvm-1",
    put=(
        "virsh -q dumpxml --inactive guest-1 | sed -e 's/guest-1/twin/; /<uuid>/d' "
        """-e "s,</currentMemory>,&<memtune><hard_limit unit='KiB'>262144</hard_limit></memtune>," >/root/twin.xml; """
        "virsh -q define /root/twin.xml; virsh -q autostart twin"
    ),
    back="virsh -q undefine twin; rm /root/twin.xml",
    broken={
        "test_no_vf_is_promised_twice": Said(
            "0000:01:10.0 is promised to guest-1 and twin",
            "wanted one domain",
            "/etc/libvirt/qemu",
            "give one of the domains another VF",
        ),
        "test_every_mac_is_given_once": Said(
            "52:54:00:77:00:10 is given to guest-1 and twin",
            "wanted one interface",
            "/etc/libvirt/qemu",
            "its own <mac>",
        ),
        "test_guests_with_vfs_may_lock_their_memory": Said(
            "domain twin (stored) has 524288 KiB of memory",
            "wanted more than the memory",
            "/etc/libvirt/qemu",
            "delete <hard_limit>",
        ),
    },
)

MOVED_IN_THE_STORED_XML = Fault(
    "names: a NIC that the stored domain has at another address",
    "kvm-1",
    put=(
        "cp -p /etc/libvirt/qemu/guest-1.xml /root/guest-1.kept; "
        "sed -e \"/bus='0x04' slot='0x00'/s/0x04/0xff/; /bus='0x02' slot='0x00'/s/0x02/0x04/\" "
        "-e \"/bus='0xff'/s/0xff/0x02/\" /root/guest-1.kept >/root/guest-1.xml; virsh -q define /root/guest-1.xml"
    ),
    back="virsh -q define /root/guest-1.kept; rm /root/guest-1.kept /root/guest-1.xml",
    broken={
        "test_nic_names_survive_the_next_start": Said(
            "enp2s0 becomes enp4s0", "will be at 0000:04:00.0", "stored and running XML of domain guest-1", "virsh edit"
        )
    },
)

HOST_BOND_WITHOUT_MONITOR = Fault(
    "host bonds: one that watches no link",
    "kvm-1",
    put=(
        "modprobe bonding; modprobe dummy numdummies=0; ip link add port9 type dummy; "
        "ip link add bond9 type bond mode active-backup; ip link set port9 master bond9; ip link set bond9 up"
    ),
    back="ip link del bond9; ip link del port9; modprobe -r bonding; modprobe -r dummy",
    broken={
        "test_host_bonds_would_fail_over": Said(
            "bond9 has miimon=0 and arp_interval=0",
            "wanted one of them above 0",
            "/sys/class/net/<bond>/bonding",
            "miimon=100",
        )
    },
)

UNHEARD = Fault(
    "bonds: a failover that nobody is told of",
    "guest-1",
    put=f"echo 0 >{_BOND}/num_grat_arp",
    back=f"echo 3 >{_BOND}/num_grat_arp",
    broken={
        "test_bond_options_are_as_wanted": Said(
            "bond0: num_grat_arp is 0", "wanted 3", "/sys/class/net/<bond>/bonding", "bond configuration"
        ),
        "test_neighbours_will_hear_of_a_failover": Said(
            "bond0 has num_grat_arp=0", "wanted 1 or more", "bonding/num_grat_arp", "num_grat_arp=3"
        ),
    },
    advised={"test_predicted_outage_fits_the_budget": "nothing is announced"},
)

ADDRESS_GONE = Fault(
    "bonds: an address of a VLAN interface over the bond is gone",
    "guest-1",
    put="ip addr del 10.77.77.21/24 dev bond0.77",
    back="ip addr add 10.77.77.21/24 brd + dev bond0.77",
    broken={
        "test_every_bond_has_its_addresses": Said(
            "bond0.77 lacks", "lacks 10.77.77.21/24", "ip -j addr show", "network configuration"
        )
    },
)

STATES = {
    "kvm-1": """set -e
sha256sum /etc/default/grub /boot/grub/grub.cfg /etc/udev/rules.d/* /etc/libvirt/qemu/*.xml /etc/libvirt/qemu/*/*.xml
ls /etc/libvirt/qemu/autostart /etc/systemd/system/*.wants /etc/systemd/network /root /sys/class/net
cat /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
for vf in /sys/bus/pci/devices/*/virtfn*; do
    readlink -f $vf $vf/driver; cat $vf/driver_override; ls $vf/net 2>&1 || true
done
ip -d link show enp1s0 | grep 'vf '
ip -d link show enp2s0 | grep 'vf '
""",
    "guest-1": """set -e
ip -br -4 addr
ip -br -6 addr show scope global
cd /sys/class/net/bond0; grep -H . mtu bonding/* lower_*/mtu lower_*/bonding_slave/mii_status
""",
}
"""What tells whether a machine is as it was before the faults."""

BEFORE = {"guest-1": f"cat {_BOND}/active_slave >/run/active-slave"}
AFTER = {
    "guest-1": f"""slave=$(cat /run/active-slave); tries=30
until [ "$(cat {_BOND}/active_slave)" = "$slave" ] || [ $tries -eq 0 ]; do
    echo $slave >{_BOND}/active_slave || sleep 1
    tries=$((tries - 1))
done
rm /run/active-slave
"""
}
"""An MTU or a monitor that changes may make another slave the active one: what notes it, and what gives it back."""

_READ_LINKS = "ip -d -j link show"
CROSSING = {
    "test_no_mac_is_on_another_host_too": Said(
        "52:54:00:77:02:00 is that of enp1s0", "on kvm-", _READ_LINKS, "give one of both another MAC"
    ),
    "test_vf_settings_are_alike_in_the_group": Said(
        "vlan of enp2s0 VF 0 is", "on kvm-", _READ_LINKS, "set the VF as on the other hosts"
    ),
}
"""What two hosts of one group must say when one is the other's copy, and a VF has a VLAN on one of them only."""

IN_EVERY_RUN = (
    COMMENT_BEHIND_A_RULE,
    PARAMETER_NOT_APPLIED,
    UNSAFE_INTERRUPTS,
    ANOTHER_MAC_ON_THE_PF,
    VLAN_BEHIND_LIBVIRT,
    OTHER_DRIVER,
    COPIED_DOMAIN,
    MOVED_IN_THE_STORED_XML,
    HOST_BOND_WITHOUT_MONITOR,
    UNHEARD,
    ADDRESS_GONE,
)
