"""PFs and VFs as they are now: there, driven, counted, and set as the inventory wants them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest

from checks.facts.kernel_log import KernelLog
from checks.facts.pci import Pf
from checks.handed_vfs import VF_DRIVERS
from checks.linux.pci_address import PciAddress, vf_address
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import PairedPf, demand_presence, paired_pfs
from checks.sriov_limits import whose_limit, why_no_capability, why_not_as_many
from checks.vf_settings import Setting, because, every_vf, label, settings, stated
from inventory import model
from inventory.model import Host

_NO_MAC = "00:00:00:00:00:00"


def test_every_pf_is_there(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """Every wanted PF is there, under its name and at its address.

    Why: names change with firmware, slots and systemd; a rule or a guest that names the old one then misses its NIC.
    Fix: correct name or address in the inventory if the new one is right; else look at slot, firmware and .link files.
    """
    wrong = []
    for p in paired_pfs(wanted_host, pfs):
        if p.found is None:
            wrong.append(_not_found(p, pfs))
        elif p.name not in p.found.netdevs:
            wrong.append(
                f"{p.found.address} is called {p.found.netdev or 'nothing (it has no netdev)'}, wanted {p.name}"
            )
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (read in /sys/class/net and /sys/bus/pci/devices)"


def test_every_pf_has_the_wanted_driver(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], kernel_log: KernelLog
) -> None:
    """Every wanted PF is bound to its driver.

    Why: with another driver, or none, VFs cannot be made, and rules keyed on the driver's name do not apply.
    Fix: load the driver named below; look into the kernel's log (journalctl -k -b) for why it does not bind.
    """
    paired = paired_pfs(wanted_host, pfs)
    wrong = [
        f"{p.name} ({p.found.address}) has {p.found.driver or 'no driver'}, wanted {p.wanted.driver or 'any driver'}"
        f"{kernel_log.why(p.found, 'driver')}"
        for p in paired
        if p.found and (p.found.driver is None or p.found.driver != (p.wanted.driver or p.found.driver))
    ]
    assert not wrong, f"{host_name}: {', '.join(wrong)} (read from /sys/bus/pci/devices/*/driver)"
    demand_presence(host_name, paired)


def test_every_pf_can_make_the_wanted_vfs(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """Every wanted PF can make as many VFs as are wanted.

    Why: the driver's limit (sriov_totalvfs) may be lower than the card's, and firmware can hide SR-IOV altogether.
    Fix: enable SR-IOV in the firmware's setup and in the card's own (mlxconfig SRIOV_EN, NUM_OF_VFS), then cold-start;
    where the driver sets the limit, want fewer VFs, or spread them over more PFs.
    """
    paired = paired_pfs(wanted_host, pfs)
    wrong = []
    for p in paired:
        if p.found and p.wanted.vfs and p.found.totalvfs is None:
            wrong.append(
                f"{p.name} ({p.found.address}) has no SR-IOV capability (no sriov_totalvfs), wanted {p.wanted.vfs} "
                f"VFs; {why_no_capability(p.found)}"
            )
        elif p.found and (p.found.totalvfs or 0) < p.wanted.vfs:
            wrong.append(
                f"{p.name} ({p.found.address}) takes {p.found.totalvfs} VFs at most, wanted {p.wanted.vfs}"
                f"{whose_limit(p.found)}"
            )
    read = "read from sriov_totalvfs and config in /sys/bus/pci/devices/*"
    assert not wrong, f"{host_name}: {'; '.join(wrong)} ({read})"
    demand_presence(host_name, paired)


def test_every_pf_has_the_wanted_number_of_vfs(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], kernel_log: KernelLog
) -> None:
    """Every wanted PF has exactly the wanted number of VFs now.

    Why: guests are promised VFs by address; too few and one does not start, another number and addresses may move.
    Fix: stop every guest that uses VFs of the PF, write 0 and then the number to its sriov_numvfs, and read it again:
    a successful write proves nothing. Writing 0 destroys every VF of the PF.
    """
    paired = paired_pfs(wanted_host, pfs)
    wrong = [
        f"{p.name} ({p.found.address}) has {p.found.numvfs or 0} VFs, wanted {p.wanted.vfs}"
        f"{why_not_as_many(p.found, kernel_log)}"
        for p in paired
        if p.found and (p.found.numvfs or 0) != p.wanted.vfs
    ]
    assert not wrong, f"{host_name}: {', '.join(wrong)} (read from /sys/bus/pci/devices/*/sriov_numvfs)"
    demand_presence(host_name, paired)


def test_every_vf_is_there(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], kernel_log: KernelLog) -> None:
    """Every VF that a wanted PF counts is on the bus, where its index says it must be.

    Why: guests name VFs by address; one that is missing or elsewhere is another guest's VF, or none.
    Fix: look into the kernel's log for bus number or memory window trouble; reload the PF's driver with guests stopped.
    """
    paired = paired_pfs(wanted_host, pfs)
    wrong = [text for p in paired if p.found for text in _misplaced(p.name, p.found)]
    wrong += [
        why.removeprefix("; ") for p in paired if wrong and p.found and (why := kernel_log.why(p.found, "number"))
    ]
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (read from /sys/bus/pci/devices/*/virtfn*)"
    demand_presence(host_name, paired)


def test_every_vf_has_a_driver(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """Every VF is bound to a driver, the wanted one where the inventory states it.

    Why: a VF without a driver is neither an interface here nor ready for a guest; sriov_drivers_autoprobe=0 and a
    missing module both leave it so.
    Fix: load the VF's driver or vfio-pci and bind the VF; set sriov_drivers_autoprobe to 1 before VFs are made.
    """
    paired = paired_pfs(wanted_host, pfs)
    wrong = []
    for p, vf in every_vf(paired):
        wanted = p.wanted.vf.get(vf.index, model.Vf()).driver
        if vf.driver is None or (wanted and vf.driver != wanted):
            why = (
                " (sriov_drivers_autoprobe is 0)"
                if vf.driver is None and p.found and p.found.autoprobe is False
                else ""
            )
            wrong.append(
                f"{p.name} VF {vf.index} ({vf.address}) has {vf.driver or 'none'}, wanted {wanted or 'any'}{why}"
            )
    assert not wrong, f"{host_name}: {', '.join(wrong)} (read from /sys/bus/pci/devices/*/driver)"
    for p, vf in every_vf(paired):
        if vf.driver in VF_DRIVERS and vf.netdev is None:
            advise(
                f"{host_name}: {label(p, vf.index)} ({vf.address}) has driver {vf.driver} and is no interface here: it "
                "is in another network namespace, or its driver gave up (journalctl -k -b)"
            )
    demand_presence(host_name, paired)


def test_every_pf_is_up(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """Every wanted PF is administratively up.

    Why: below a PF that is down its VFs carry nothing, settings made through it do not take effect, and VF drivers give
    themselves random MACs.
    Fix: bring the PF up at boot (it needs no address), and now with `ip link set PF up`.
    """
    paired = paired_pfs(wanted_host, pfs)
    down = [f"{p.name} ({p.found.address})" for p in paired if p.found and p.found.up is False]
    assert not down, f"{host_name}: {', '.join(down)} is down, wanted up (read from /sys/class/net/*/flags)"
    unknown = [p.name for p in paired if p.found and p.found.up is None]
    if unknown:
        raise CouldNotLook(f"{host_name}: {', '.join(unknown)} has no netdev, so nothing tells whether it is up")
    demand_presence(host_name, paired)


def test_vf_settings_are_as_wanted(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], kernel_log: KernelLog
) -> None:
    """Every setting of a VF that the inventory states is in force: MAC, VLAN, spoof checking, trust, link, rates.

    Why: the PF enforces these against the guest; a wrong one looks like a dead network inside it.
    Fix: set them through libvirt's domain XML, or with `ip link set PF vf N ...` while the PF is up.
    """
    paired = paired_pfs(wanted_host, pfs)
    found = list(settings(paired))
    if not found:
        pytest.skip("the inventory states no settings of single VFs")
    wrong = [one for one in found if one.found not in (None, one.wanted)]
    said = dict.fromkeys(_why_refused(one, kernel_log) for one in wrong)
    text = "; ".join(str(one) for one in wrong)
    assert not wrong, f"{host_name}: {text} (read from ip -d -j link show){''.join(said)}"
    unknown = [
        f"{one.name} of {label(one.pf, one.index)}{because(one.pf, one.vf)}" for one in found if one.found is None
    ]
    if unknown:
        raise CouldNotLook(f"{host_name}: not reported: {'; '.join(unknown)}")
    # While its PF is down, a setting may be stored and not be in force (libvirt src/util/virnetdev.c says so, too).
    down = dict.fromkeys(one.pf.name for one in found if one.pf.found and one.pf.found.up is False)
    if down:
        raise CouldNotLook(f"{host_name}: {', '.join(down)} is down, so settings of its VFs may not be in force")
    tagged = {label(p, vf.index): vf.vlan_protocol for p, vf in every_vf(paired) if vf.vlan and vf.vlan_protocol}
    for name, protocol in tagged.items():
        if protocol != "802.1q":
            advise(f"{host_name}: the VLAN of {name} is one of {protocol}: its switch port must expect that outer tag")


def test_vf_macs_are_set_and_unique(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """No VF has the MAC of another VF or of a PF, and every VF for a guest that the inventory describes has one.

    Why: two equal MACs on one network cut both off in turns; a VF without an administrative MAC gets a random one.
    Fix: give every VF its own MAC, in libvirt's domain XML or with `ip link set PF vf N mac ...`.
    """
    paired = paired_pfs(wanted_host, pfs)
    unset: list[str] = []
    random: list[str] = []
    unknown: list[str] = []
    for p, vf in every_vf(paired):
        if vf.admin_mac is None:
            unknown.append(f"{label(p, vf.index)}{because(p, vf)}")
        elif vf.admin_mac == _NO_MAC and vf.driver == "vfio-pci":
            # Bound for a guest: one that the inventory describes is in use, another may still be given its MAC. One
            # that the inventory leaves to the host has the wrong driver, which another statement says.
            wanted = p.wanted.vf.get(vf.index)
            meant = wanted is not None and wanted.driver in (None, "vfio-pci")
            (unset if meant else random).append(label(p, vf.index))
    wrong = [f"{mac} on {' and '.join(labels)}" for mac, labels in _shared_macs(pfs).items()]
    wrong += [f"no administrative MAC on {name}" for name in unset]
    read = "read from ip -d -j link show and /sys/class/net/*/address"
    assert not wrong, f"{host_name}: {'; '.join(wrong)}; wanted one of its own each ({read})"
    if unknown:
        raise CouldNotLook(f"{host_name}: MAC not reported: {'; '.join(unknown)}")
    if random:
        advise(f"{host_name}: no administrative MAC on {', '.join(random)}: a guest there gets a random one")
    demand_presence(host_name, paired)


def test_vf_links_follow_their_pf(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """The link of every VF follows the link of its PF, but for those that the inventory wants otherwise.

    Why: a VF whose link is forced on (state enable) stays up while the port is dead, so that a bond above it never
    fails over; one forced off (disable) carries nothing.
    Fix: `ip link set PF vf N state auto`.
    """
    paired = paired_pfs(wanted_host, pfs)
    free = [(p, vf) for p, vf in every_vf(paired) if "link_state" not in stated(p.wanted.vf.get(vf.index, model.Vf()))]
    states = [(label(p, vf.index), vf.link_state) for p, vf in free]
    wrong = [f"{name} is {state}" for name, state in states if state in ("enable", "disable")]
    assert not wrong, f"{host_name}: link state forced: {', '.join(wrong)}; wanted auto (read from ip -d -j link show)"
    unknown = [f"{label(p, vf.index)}{because(p, vf)}" for p, vf in free if vf.link_state is None]
    if unknown:
        raise CouldNotLook(f"{host_name}: link state not reported: {'; '.join(unknown)}")
    odd = [f"{name} is {state!r}" for name, state in states if state != "auto"]
    if odd:
        raise CouldNotLook(f"{host_name}: link state unknown to vfproof: {', '.join(odd)}")
    demand_presence(host_name, paired)


def _shared_macs(pfs: Iterable[Pf]) -> dict[str, list[str]]:
    """MACs that a VF shares with another VF or a PF of the host. PFs among themselves may: a bond sees to that."""
    vfs: dict[str, list[str]] = defaultdict(list)
    ports: dict[str, list[str]] = defaultdict(list)
    for pf in pfs:
        name = pf.netdev or pf.address
        if pf.mac:
            ports[pf.mac].append(f"{name} itself")
        for vf in pf.vfs:
            if vf.admin_mac and vf.admin_mac != _NO_MAC:
                vfs[vf.admin_mac].append(f"{name} VF {vf.index}")
    return {mac: labels + ports[mac] for mac, labels in vfs.items() if len(labels) > 1 or ports[mac]}


def _why_refused(one: Setting, log: KernelLog) -> str:
    if one.pf.found is None:
        return ""
    return log.why(one.pf.found, "setting", "mac") if one.name == "mac" else log.why(one.pf.found, "setting")


def _not_found(p: PairedPf, pfs: Iterable[Pf]) -> str:
    if p.wanted.address is None:
        there = ", ".join(name for pf in pfs for name in pf.netdevs) or "none"
        return f"no PCI network function called {p.name}; there are {there}"
    elsewhere = next((pf.address for pf in pfs if p.name in pf.netdevs), None)
    return f"no network function at {p.wanted.address}" + (f"; {p.name} is at {elsewhere}" if elsewhere else "")


def _misplaced(name: str, pf: Pf) -> list[str]:
    by_index = {vf.index: vf.address for vf in pf.vfs}
    count = pf.numvfs or 0
    wrong = [f"{name} counts {count} VFs, but virtfn{i} is not there" for i in range(count) if i not in by_index]
    own = PciAddress.parse(pf.address)
    if own is None or pf.offset is None or pf.stride is None:
        return wrong
    for index, address in by_index.items():
        place = vf_address(own, index, pf.offset, pf.stride)
        if place != PciAddress.parse(address):
            wrong.append(f"{name} VF {index} is at {address}, by its routing ID it must be at {place}")
    return wrong
