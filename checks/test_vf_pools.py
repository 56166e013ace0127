"""Libvirt's networks as guests with VFs need them: there, active, with a VF for everyone who is promised one.

Read from /etc/libvirt/qemu/networks, /run/libvirt/network (or `virsh net-list`, `virsh net-dumpxml`) and sysfs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.facts.libvirt import Domain
from checks.facts.networks import Network
from checks.facts.pci import Pf
from checks.outcome import advise
from checks.promised_vfs import fixed_addresses, skip_without, takes_a_device


def test_networks_of_guests_with_vfs_are_active(
    host_name: str, domains: tuple[Domain, ...], networks: tuple[Network, ...]
) -> None:
    """Every network that a domain with VFs is attached to is there, active, and starts before the domain does.

    Why: a domain does not start while one of its networks is missing or not active; a network without autostart is
    missed first after the next reboot.
    Fix: `virsh net-start NAME` and `virsh net-autostart NAME`; or correct <source network=.../> of the interface.
    """
    skip_without(domains, networks)
    by_name = {network.name: network for network in networks}
    pools = {network.name for network in networks if network.is_pool}
    wrong = []
    for domain in domains:
        if not any(takes_a_device(definition, pools) for _, definition in domain.versions):
            continue
        names = {one.network for _, definition in domain.versions for one in definition.interfaces if one.network}
        for name in sorted(names):
            for fault in _faults(domain, by_name.get(name)):
                wrong.append(f"network {name} of domain {domain.name} {fault}")
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (virsh net-list --all)"


def _faults(domain: Domain, network: Network | None) -> Iterator[str]:
    if network is None:
        yield "does not exist"
    elif not network.active:
        yield "is not active"
    elif domain.autostart and not network.autostart:
        yield "does not start by itself, though the domain does"


def test_vf_pools_can_serve_their_domains(
    host_name: str, domains: tuple[Domain, ...], networks: tuple[Network, ...], pfs: tuple[Pf, ...]
) -> None:
    """Every network that hands out VFs has one for each domain that draws from it, on PFs that are up.

    Why: the domain that comes last finds no free VF and does not start; and libvirt sets MAC and VLAN through the PF,
    which it refuses while the PF is down ("... the PF is not online").
    Fix: make more VFs, list other ones, or take out of the pool what a domain names by address; `ip link set PF up`.
    """
    pools = [network for network in networks if network.is_pool]
    if not pools:
        pytest.skip("no libvirt network of this host hands out VFs")
    wrong = []
    for pool in pools:
        found = [*_missing(pool, pfs), *_down(pool, pfs)]
        found += [] if found else _short(host_name, pool, domains, pfs)
        wrong += [f"network {pool.name} {fault}" for fault in found]
        for domain in domains:
            if shared := sorted(fixed_addresses(domain) & pool.vfs(pfs)):
                advise(
                    f"{host_name}: network {pool.name} may hand out {', '.join(shared)}, which domain {domain.name}"
                    " names by address: who starts first gets it"
                )
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (virsh net-dumpxml; /sys/bus/pci/devices/*/virtfn*)"


def _missing(pool: Network, pfs: tuple[Pf, ...]) -> list[str]:
    if pool.pf is None:
        there = {vf.address for pf in pfs for vf in pf.vfs}
        return [f"lists {address}, where there is no VF" for address in pool.listed if address not in there]
    if not any(pool.pf in pf.netdevs for pf in pfs):
        return [f"hands out VFs of {pool.pf}, and there is no such PF"]
    return [] if pool.vfs(pfs) else [f"hands out VFs of {pool.pf}, which has none"]


def _down(pool: Network, pfs: tuple[Pf, ...]) -> list[str]:
    vfs = pool.vfs(pfs)
    down = [pf for pf in pfs if pf.up is False and any(vf.address in vfs for vf in pf.vfs)]
    return [f"hands out VFs of {pf.netdev or pf.address}, which is down" for pf in down]


def _short(host_name: str, pool: Network, domains: tuple[Domain, ...], pfs: tuple[Pf, ...]) -> list[str]:
    vfs = pool.vfs(pfs)
    now = [domain for domain in domains if domain.running or domain.autostart]
    taken = {address for domain in now for address in fixed_addresses(domain)} & vfs
    free = len(vfs) - len(taken)
    needed, in_all = (sum(_draws(domain, pool) for domain in some) for some in (now, domains))
    text = f"has {free} VFs to hand out ({len(taken)} more are named by domains)"
    if needed > free:
        return [f"{text}, and the domains that run or start by themselves need {needed}"]
    if in_all > free:
        advise(f"{host_name}: network {pool.name} {text}; all domains need {in_all}, so not all can run at once")
    return []


def _draws(domain: Domain, pool: Network) -> int:
    return max(
        (sum(one.network == pool.name for one in definition.interfaces) for _, definition in domain.versions), default=0
    )
