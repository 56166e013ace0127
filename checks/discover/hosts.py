"""A host as an inventory entry. What is wrong with it is written as it should be, and remarked on."""

from __future__ import annotations

from collections.abc import Iterator

from checks.discover.bonds import bond_entries
from checks.discover.machine import Machine
from checks.discover.makers import Maker, maker_of
from checks.discover.yaml_text import Entry, Node, Remark, stated
from checks.facts.iommu import Iommu
from checks.facts.libvirt import Domain
from checks.facts.pci import Pf, Vf
from checks.linux.kernel_parameters import Parameter
from checks.outcome import CouldNotLook

_NO_MAC = "00:00:00:00:00:00"
_PARAMETERS = frozenset({"intel_iommu", "amd_iommu", "iommu", "iommu.passthrough", "iommu.strict", "intremap"})


def host_nodes(machine: Machine) -> tuple[Node, ...]:
    """What stands below a host's name, after its connection."""
    machine.read_host_parts()
    return (*_iommu(machine), *_kernel_parameters(machine), *_pfs(machine), *bond_entries(machine))


def _iommu(machine: Machine) -> Iterator[Node]:
    found = machine.iommu
    yield Entry("iommu", "required", comment=_works(found, effective=found is not None and found.effective))
    remapped = found is not None and found.interrupts_remapped
    yield Entry("interrupt_remapping", "required", comment=_works(found, effective=remapped))


def _works(found: Iommu | None, *, effective: bool) -> str:
    if found is None:
        return "not known now"
    return "at work now" if effective else "BROKEN NOW: not at work; write any if no device is ever handed out here"


def _kernel_parameters(machine: Machine) -> Iterator[Node]:
    """Parameters about the IOMMU that all three layers have; what only runs is said, for it will be gone."""
    if machine.boot is None:
        return
    running = [one for one in machine.boot.running if one.name in _PARAMETERS and one.value != "off"]
    lasting = [one for one in running if _is_lasting(machine, one)]
    if lasting:
        yield Entry("kernel_parameters", tuple(dict.fromkeys(one.text for one in lasting)))
    for one in running:
        if one not in lasting:
            yield Remark(f"{one.text} runs, but the boot entry and its source do not both have it: is it wanted?")


def _is_lasting(machine: Machine, one: Parameter) -> bool:
    boot = machine.boot
    if boot is None or isinstance(boot.next_boot, CouldNotLook) or not isinstance(boot.configured, dict):
        return False
    sources = [parameter for parameters in boot.configured.values() for parameter in parameters]
    return all(
        any((there.name, there.value) == (one.name, one.value) for there in layer)
        for layer in (boot.next_boot.parameters, sources)
    )


def _pfs(machine: Machine) -> Iterator[Node]:
    named = [pf for pf in machine.sriov_pfs if pf.netdev]
    handed = _domains_by_address(machine)
    mtus = {nic.name: nic.mtu for nic in machine.nics}
    if named:
        yield Entry(
            "pfs", below=tuple(_pf(pf, maker_of(pf, machine.udev, machine.persistence), handed, mtus) for pf in named)
        )
    for pf in machine.sriov_pfs:
        if not pf.netdev:
            yield Remark(f"PF {pf.address} (driver {pf.driver or 'none'}) has no network interface to name it by")
    if not machine.sriov_pfs:
        yield Remark("no network function here shows SR-IOV (sriov_totalvfs); is it enabled in the firmware?")


def _domains_by_address(machine: Machine) -> dict[str, Domain]:
    """Which domain has a PCI device of the host, or will get it when it starts; running ones win."""
    by_running = sorted(machine.domains, key=lambda domain: domain.running)
    return {address: domain for domain in by_running for address in domain.current.host_addresses}


def _pf(pf: Pf, maker: Maker, handed: dict[str, Domain], mtus: dict[str, int]) -> Entry:
    name, wanted = pf.netdevs[0], pf.numvfs or 0
    vfs = tuple(node for vf in pf.vfs if vf.index < wanted for node in _vf(vf, handed.get(vf.address)))
    below: list[Node] = [
        Entry("address", pf.address),
        *stated([("driver", pf.driver)]),
        Entry("vfs", wanted, comment=f"of at most {pf.totalvfs}"),
        Entry("persistence", maker.word, comment=maker.because),
        *stated([("mtu", mtus.get(name))]),
    ]
    if pf.up is False:
        below.append(Remark(f"BROKEN NOW: {name} is down, and below it its VFs carry nothing"))
    if pf.incomplete and pf.vfs:
        below.append(Remark(f"settings of its VFs are not all known: {pf.incomplete}"))
    if any(isinstance(node, Entry) for node in vfs):
        below.append(Entry("vf", below=vfs))
    else:
        below.extend(vfs)
    return Entry(name, below=tuple(below))


def _vf(vf: Vf, domain: Domain | None) -> Iterator[Node]:
    """One VF as it is now. Of a VF whose domain does not run nothing is stated: libvirt sets it all at the start."""
    if domain is not None and not domain.running:
        yield Remark(f"VF {vf.index}: for domain {domain.name}, which is {domain.state}; libvirt sets it up then")
        return
    mac = vf.admin_mac if vf.admin_mac != _NO_MAC else None
    if domain is None and vf.driver == "vfio-pci" and mac is None:
        yield Remark(f"VF {vf.index}: bound to vfio-pci, for no domain that is known, and without a MAC: not stated")
        return
    pairs: list[tuple[str, str | int | bool | None]] = [("mac", mac)]
    if domain is not None or vf.vlan:
        pairs += [("vlan", vf.vlan), ("vlan_qos", vf.qos or None)]
    pairs += [("driver", vf.driver)]
    if domain is not None:
        pairs += [("spoofchk", vf.spoofchk), ("trust", vf.trust)]
    if entries := stated(pairs):
        why = f"domain {domain.name}" if domain else (f"{vf.netdev} on the host" if vf.netdev else "")
        yield Entry(vf.index, below=entries, comment=why)
    if vf.driver is None:
        yield Remark(f"BROKEN NOW: VF {vf.index} ({vf.address}) has no driver")
    if vf.link_state in ("enable", "disable"):
        yield Remark(f"BROKEN NOW: VF {vf.index} has link state {vf.link_state}, which hides its port; wanted auto")
