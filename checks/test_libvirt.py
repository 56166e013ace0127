"""VFs in libvirt's hands: every promise to a domain can be kept, and is the one the inventory wants.

Read from /etc/libvirt/qemu, /run/libvirt/qemu (or `virsh dumpxml`), sysfs and `ip` of the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from checks.facts.libvirt import Domain
from checks.facts.pci import Pf
from checks.handed_vfs import HandedVf, handed_vfs, locate
from checks.linux.domain_xml import Definition, Interface
from checks.linux.pci_address import decimal_taken_for_hex
from checks.outcome import CouldNotLook, advise
from checks.promised_vfs import READ, called, pooled, skip_without, versions
from inventory import model

_NO_MAC = "00:00:00:00:00:00"


def test_every_handed_out_device_is_a_vf(
    host_name: str,
    domains: tuple[Domain, ...],
    pfs: tuple[Pf, ...],
    libvirt_says: tuple[str, ...],
    note: Callable[[str], None],
) -> None:
    """Every device that a domain takes by <interface type='hostdev'> is a VF of this host.

    Why: a domain whose VF is not there does not start, and one that takes the PF itself takes the port from all others.
    Fix: put the address of a VF into <source> (`ls -l /sys/bus/pci/devices/*/virtfn*`), slot and function in hex.
    """
    for line in libvirt_says:
        note(f"virt-host-validate, which this statement does not go by: {line}")
    skip_without(domains)
    physical = {pf.address: pf for pf in pfs}
    wrong = []
    for domain, kind, definition in versions(domains):
        for one in definition.hostdevs:
            if one.source is None:
                wrong.append(f"domain {domain.name} ({kind}): {called(one)} names no PCI address of the host")
            elif one.source in physical:
                name = physical[one.source].netdev or "a PF"
                wrong.append(f"domain {domain.name} ({kind}): {one.source} is {name} itself, not one of its VFs")
            elif locate(one.source, pfs) is None:
                wrong.append(f"domain {domain.name} ({kind}): there is no VF at {one.source}{_meant(one.source, pfs)}")
    read = f"{READ}, and /sys/bus/pci/devices/*/virtfn*"
    assert not wrong, f"{host_name}: {'; '.join(dict.fromkeys(wrong))}; wanted a VF of this host ({read})"


def test_no_vf_is_promised_twice(host_name: str, domains: tuple[Domain, ...]) -> None:
    """No VF is promised to two domains.

    Why: the second one to start fails with "PCI device ... is in use by driver vfio-pci, domain ...", often only after
    the next reboot, when the order differs.
    Fix: give one of the domains another VF.
    """
    skip_without(domains)
    claims: dict[str, dict[str, bool]] = defaultdict(dict)
    for domain in domains:
        for definition in filter(None, (domain.stored, domain.live)):
            for address in definition.host_addresses:
                claims[address][domain.name] = _has_or_takes(domain, address)
    doubled = []
    for address, names in claims.items():
        running = [name for name, has_it in names.items() if has_it]
        text = f"{address} is promised to {' and '.join(names)}"
        if len(running) > 1:
            doubled.append(f"{text}, and {' and '.join(running)} run or start by themselves")
        elif len(names) > 1:
            advise(f"{host_name}: {text}; only one of them can run")
    doubled += [
        f"domain {domain.name} ({kind}) asks for {address} twice"
        for domain, kind, definition in versions(domains)
        for address in _repeated(definition.host_addresses)
    ]
    assert not doubled, f"{host_name}: {'; '.join(doubled)}; wanted one domain for each VF ({READ})"


def test_every_handed_out_vf_is_spelled_out(host_name: str, domains: tuple[Domain, ...], pfs: tuple[Pf, ...]) -> None:
    """Every hostdev interface has its own MAC and guest address, and libvirt can take its VF.

    Why: without a MAC the guest gets a random one at each start, without an address its NIC may change its name, and
    with managed='no' the domain does not start unless somebody has bound the VF to vfio-pci before.
    Fix: write <mac address=.../> and <address type='pci' .../> into the <interface>, and managed='yes'; make a plain
    <hostdev> of a VF an <interface type='hostdev'>, the only form in which libvirt sets MAC and VLAN.
    """
    skip_without(domains)
    wrong = []
    for domain, kind, definition in versions(domains):
        for one in definition.hostdevs:
            lacking = list(_lacking(one, pfs))
            wrong += [f"domain {domain.name} ({kind}): {called(one)} {reason}" for reason in lacking]
        for device in definition.host_devices:
            if (found := locate(device.source, pfs)) is None:
                continue
            text = (
                f"domain {domain.name} ({kind}): VF {device.source} is a plain <hostdev>, for which libvirt sets no MAC"
            )
            if found[1].admin_mac == _NO_MAC:
                wrong.append(f"{text}, and its PF has none for it")
            else:
                advise(f"{host_name}: {text} and no VLAN")
    assert not wrong, f"{host_name}: {'; '.join(dict.fromkeys(wrong))} ({READ})"


def test_every_mac_is_given_once(host_name: str, domains: tuple[Domain, ...]) -> None:
    """No MAC is given to two interfaces of this host's domains.

    Why: domains that were made by copying XML keep its MACs; two of them in one network take each other's traffic.
    Fix: give each <interface> its own <mac>.
    """
    skip_without(domains)
    holders: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for domain in domains:
        for one in domain.current.interfaces:
            # A net_failover pair has one MAC on purpose: https://libvirt.org/formatdomain.html#teaming-a-virtio-hostdev-nic-pair
            if one.mac and one.teaming != "transient":
                holders[one.mac].append((domain.name, domain.running or domain.autostart is True))
    wrong = []
    for mac, found in holders.items():
        text = f"{mac} is given to {' and '.join(name for name, _ in found)}"
        if len([name for name, running in found if running]) > 1 or len({name for name, _ in found}) < len(found):
            wrong.append(text)
        elif len(found) > 1:
            advise(f"{host_name}: {text}; only one of them may run")
    assert not wrong, f"{host_name}: {'; '.join(wrong)}; wanted one interface for each MAC ({READ})"


def test_vfs_are_set_as_their_domains_say(
    host_name: str, inventory: model.Inventory, domains: tuple[Domain, ...], pfs: tuple[Pf, ...]
) -> None:
    """Every VF of a running domain has on its PF the MAC and VLAN of the domain's XML.

    Why: the PF drops what a VF sends from another MAC than the one it was given; in another VLAN the guest reaches
    nobody. Somebody changed it after libvirt had set it, or it was set while the PF was down.
    Fix: `ip link set PF vf INDEX mac MAC vlan ID`, or start the domain again; and find out what else sets it.
    """
    skip_without(domains)
    # What the inventory says of a guest's VFs has statements of its own, one row per guest.
    elsewhere = {
        guest.domain or name
        for name, guest in inventory.guests.items()
        if guest.host == host_name and any(nic.pf for nic in guest.nics.values())
    }
    judged = [one for one in domains if one.live is not None and one.live.hostdevs and one.name not in elsewhere]
    if not judged:
        pytest.skip("the inventory describes every running domain with VFs, so they are judged by guest")
    wrong, unknown = [], []
    for domain in judged:
        for one in handed_vfs(domain.current, pfs):
            wrong += [f"domain {domain.name}: {one} {fault}" for fault in _set_otherwise(one)]
            if one.interface.mac and one.vf.admin_mac is None:
                unknown.append(f"{one} ({one.pf.incomplete or 'its driver does not report it'})")
    assert not wrong, f"{host_name}: {'; '.join(wrong)} ('ip -d -j link show')"
    if unknown:
        raise CouldNotLook(f"{host_name}: the PF's MAC is not known for {', '.join(unknown)}")


def test_running_domains_keep_their_vfs_at_the_next_start(host_name: str, domains: tuple[Domain, ...]) -> None:
    """Every running domain has the VFs that are stored for its next start.

    Why: `virsh edit` changes only the stored domain, `attach-device --live` only the running one; the difference shows
    at the next start, mostly after an outage.
    Fix: `virsh dumpxml NAME` against `virsh dumpxml --inactive NAME`; correct the one that is wrong.
    """
    skip_without(domains)
    for domain in domains:
        if domain.live is None:
            continue
        if domain.stored is None:
            advise(f"{host_name}: domain {domain.name} is transient: nothing is stored for its next start")
            continue
        live, stored = _promises(domain.live, pooled(domain)), _promises(domain.stored, set())
        only_live, only_stored = (", ".join(sorted(one)) or "none" for one in (live - stored, stored - live))
        if live != stored:
            advise(f"{host_name}: domain {domain.name} runs with {only_live}, but stored is {only_stored}")
    lost = [domain.name for domain in domains if _loses_its_vfs(domain)]
    assert not lost, f"{host_name}: {', '.join(lost)} run with VFs, but are stored without any ({READ})"


def _has_or_takes(domain: Domain, address: str) -> bool:
    """Whether the domain has a device now, or takes it at every boot."""
    if domain.live is not None and address in domain.live.host_addresses:
        return True
    return domain.autostart is True and domain.stored is not None and address in domain.stored.host_addresses


def _meant(address: str, pfs: tuple[Pf, ...]) -> str:
    """The usual slip: `virsh nodedev-dumpxml` prints <slot>17</slot> in decimal, and the domain's XML is in hex."""
    for other in decimal_taken_for_hex(address):
        if locate(other, pfs) is not None:
            return f", but one at {other}: 'virsh nodedev-dumpxml' prints bus and slot in decimal, the domain takes hex"
    return ""


def _repeated(addresses: tuple[str, ...]) -> list[str]:
    return sorted({address for address in addresses if addresses.count(address) > 1})


def _lacking(one: Interface, pfs: tuple[Pf, ...]) -> Iterator[str]:
    if one.mac is None:
        yield "has no <mac>"
    if one.place is None:
        yield "has no guest <address>"
    if one.legacy_driver:
        yield f"has <driver name='{one.legacy_driver}'/>, which was before VFIO and does not start"
    if len(one.vlans) > 1:
        yield f"has VLANs {list(one.vlans)}: a VF takes one (libvirt: 'vlan trunking is not supported')"
    found = locate(one.source, pfs) if one.source else None
    if not one.managed and found is not None and found[1].driver != "vfio-pci":
        yield f"has managed='no', and its VF {one.source} is bound to {found[1].driver or 'no driver'}, not to vfio-pci"


def _set_otherwise(one: HandedVf) -> Iterator[str]:
    mac, vlan = one.interface.mac, one.interface.vlans[0] if one.interface.vlans else 0
    if mac and one.vf.admin_mac not in (None, mac):
        found = "none" if one.vf.admin_mac == _NO_MAC else one.vf.admin_mac
        yield f"has MAC {mac} in the XML, but the PF has {found} for it"
    if one.vf.vlan not in (None, vlan):
        yield f"has VLAN {vlan or 'none'} in the XML, but the PF has {one.vf.vlan or 'none'}"


def _promises(definition: Definition, pooled: set[str | None]) -> set[str]:
    fixed = (one for one in definition.hostdevs if one.mac not in pooled)
    handed = {f"{one.source} with MAC {one.mac} and VLANs {list(one.vlans)}" for one in fixed}
    return handed | {f"plain device {one.source}" for one in definition.host_devices}


def _loses_its_vfs(domain: Domain) -> bool:
    if domain.live is None or domain.stored is None or domain.stored.hostdevs:
        return False
    return any(one.mac not in pooled(domain) for one in domain.live.hostdevs)
