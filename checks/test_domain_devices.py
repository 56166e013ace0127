"""Domains with VFs at their next start: guest addresses, memory, what the host itself does with the VFs, and when.

Read from /etc/libvirt/qemu, /run/libvirt/qemu (or `virsh dumpxml`), sysfs, `ip`, `nmcli` and `systemctl` of the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from checks.facts.known import known
from checks.facts.libvirt import Domain
from checks.facts.libvirt_start import LibvirtStart
from checks.facts.nics import Nic
from checks.facts.pci import Pf
from checks.handed_vfs import locate
from checks.linux.domain_xml import Definition
from checks.linux.guest_pci import faults
from checks.outcome import CouldNotLook, advise
from checks.promised_vfs import READ, fixed_addresses, skip_without, takes_a_device, versions

_OVERHEAD_KIB = 1 << 20
_SETTLED = frozenset({"systemd-udev-settle.service"})


def test_every_guest_address_can_be_had(host_name: str, domains: tuple[Domain, ...]) -> None:
    """Every guest address of a NIC or a passed-through device is one that the guest's machine has, and its own.

    Why: libvirt refuses such a domain ("Attempted double use of PCI Address", "slot must be <= 0"); a file that was
    edited by hand is silently left out when libvirt starts, and the guest is gone after the next reboot.
    Fix: correct the <address type='pci'> named below by `virsh edit`, or delete it there and libvirt picks one.
    """
    skip_without(domains)
    wrong = []
    for domain, kind, definition in versions(domains):
        if takes_a_device(definition):
            wrong += [f"domain {domain.name} ({kind}): {device} {fault}" for device, fault in faults(definition)]
            for place in _beyond(definition):
                advise(
                    f"{host_name}: domain {domain.name} ({kind}): no controller has the bus of {place}; libvirt adds it"
                )
    assert not wrong, f"{host_name}: {'; '.join(wrong)} ({READ})"


def _beyond(definition: Definition) -> list[str]:
    there = {0, *(one.index for one in definition.layout.controllers)}
    return [str(one.place) for one in definition.interfaces if one.place and one.place.bus not in there]


def test_guests_with_vfs_may_lock_their_memory(host_name: str, domains: tuple[Domain, ...]) -> None:
    """Every domain with VFs may lock all of its memory.

    Why: a device writes to a guest's memory at any time, so VFIO pins all of it; libvirt allows the guest's memory and
    1 GiB, but where <memtune> has a <hard_limit> it takes that instead, and with less the domain does not start
    ("VFIO_MAP_DMA failed: Cannot allocate memory").
    Fix: delete <hard_limit> from the domain's XML, or raise it by more than the guest's memory and 1 GiB.
    """
    skip_without(domains)
    wrong = []
    for domain, kind, definition in versions(domains):
        memory, limit = definition.memory_kib, definition.hard_limit_kib
        if memory is None or limit is None or not takes_a_device(definition):
            continue
        text = f"domain {domain.name} ({kind}) has {memory} KiB of memory and <hard_limit> {limit} KiB"
        if limit < memory:
            wrong.append(text)
        elif limit < memory + _OVERHEAD_KIB:
            advise(f"{host_name}: {text}; libvirt itself would allow {memory + _OVERHEAD_KIB}")
    assert not wrong, f"{host_name}: {'; '.join(wrong)}; wanted more than the memory, or none ({READ})"


def test_promised_vfs_are_not_in_use_on_the_host(
    host_name: str,
    domains: tuple[Domain, ...],
    pfs: tuple[Pf, ...],
    host_nics: tuple[Nic, ...],
    managed_nics: Mapping[str, str],
) -> None:
    """No VF that a domain takes carries traffic of the host itself.

    Why: when the domain starts, libvirt takes the VF from its driver without a word, and the host's bond, bridge or
    address on it is gone; for a domain that starts by itself, at every boot.
    Fix: take the VF out of the host's network configuration, or give the domain another VF.
    """
    skip_without(domains)
    wrong = []
    by_name = {nic.name: nic for nic in host_nics}
    for domain in domains:
        for address in sorted(fixed_addresses(domain)):
            found = locate(address, pfs)
            nic = by_name.get(found[1].netdev or "") if found else None
            for use in _uses(nic, managed_nics) if nic else ():
                text = f"{address} of domain {domain.name} is {nic.name} on the host, {use}" if nic else ""
                if domain.autostart and not use.startswith("which"):
                    wrong.append(f"{text}; the domain starts by itself")
                else:
                    advise(f"{host_name}: {text}")
    read = f"{READ}, and by ip -j addr show"
    assert not wrong, f"{host_name}: {'; '.join(wrong)}; wanted unused on the host ({read})"


def _uses(nic: Nic, managed_nics: Mapping[str, str]) -> Iterator[str]:
    if nic.master:
        yield f"a port of {nic.master}"
    # A link-local address appears on every interface that is up, whether anybody uses it or not.
    addresses = [str(one.interface) for one in known(nic.addresses) if not one.interface.ip.is_link_local]
    if addresses:
        yield f"with address {', '.join(addresses)}"
    if nic.name in managed_nics:
        yield f"which NetworkManager holds by its profile {managed_nics[nic.name]!r}"


def test_guests_start_after_their_vfs(
    host_name: str, domains: tuple[Domain, ...], pfs: tuple[Pf, ...], libvirt_start: LibvirtStart
) -> None:
    """Libvirt starts after what makes the VFs of domains that start by themselves.

    Why: libvirt starts such a domain once at boot; when its VFs come a moment later it stays down, and nobody tries
    again.
    Fix: Before=libvirtd.service virtqemud.service in the unit that makes the VFs; or, for VFs made by udev, a drop-in
    for libvirt's unit with After= and Wants=sys-subsystem-net-devices-PF.device.
    """
    skip_without(domains)
    by_themselves = [domain for domain in domains if domain.autostart and fixed_addresses(domain)]
    if not by_themselves:
        if any(domain.autostart is None for domain in domains):
            raise CouldNotLook(f"{host_name}: not allowed to read which domains start by themselves")
        pytest.skip("no domain with VFs starts by itself")
    if not libvirt_start.after:
        pytest.skip("systemd starts no libvirt on this host")
    wrong = []
    names = ", ".join(domain.name for domain in by_themselves)
    for daemon, after in libvirt_start.after.items():
        late = [unit for unit in libvirt_start.makers if unit not in after]
        wrong += [f"{unit} makes VFs, and {daemon}, which starts {names}, does not wait for it" for unit in late]
        if not libvirt_start.makers and not after & _SETTLED:
            unordered = sorted(pf for pf in _pfs_of(by_themselves, pfs) if not after & _device_units(pf))
            if unordered:
                advise(
                    f"{host_name}: {daemon}, which starts {names}, is not ordered after {', '.join(unordered)}:"
                    " nothing but luck makes their VFs come first"
                )
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (systemctl show -p After)"


def _pfs_of(domains: list[Domain], pfs: tuple[Pf, ...]) -> set[str]:
    located = (locate(address, pfs) for domain in domains for address in fixed_addresses(domain))
    return {found[0].netdev for found in located if found and found[0].netdev}


def _device_units(netdev: str) -> frozenset[str]:
    escaped = netdev.replace("-", "\\x2d")
    return frozenset({f"sys-subsystem-net-devices-{escaped}.device"})
