"""What libvirt's domains take of a host, and who else has it: where statements about promises start."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pytest

from checks.facts.libvirt import Domain
from checks.facts.networks import Network
from checks.linux.domain_xml import Definition, Interface

READ = "read from /etc/libvirt/qemu and /run/libvirt/qemu, or by virsh dumpxml"
"""Where domains come from, for messages."""


def skip_without(domains: Iterable[Domain], networks: Iterable[Network] = ()) -> None:
    """Does not apply where no domain takes a PCI device, by its address or out of a pool."""
    pools = {network.name for network in networks if network.is_pool}
    if not any(takes_a_device(definition, pools) for domain in domains for _, definition in domain.versions):
        pytest.skip("no libvirt domain of this host takes a PCI device")


def takes_a_device(definition: Definition, pools: Collection[str] = ()) -> bool:
    """Whether it takes a device of the host by its address, or a VF out of one of the pools."""
    if definition.host_addresses or definition.hostdevs:
        return True
    return any(one.network in pools for one in definition.interfaces)


def versions(domains: Iterable[Domain]) -> Iterator[tuple[Domain, str, Definition]]:
    """Every definition of every domain: the running one, then the stored one."""
    for domain in domains:
        for kind, definition in domain.versions:
            yield domain, kind, definition


def called(one: Interface) -> str:
    """An interface for a person."""
    return f"interface {one.mac or one.source or 'without a MAC'}"


def pooled(domain: Domain) -> set[str | None]:
    """MACs of stored interfaces that take a VF out of a network's pool: which one is only known while it runs."""
    return {one.mac for one in domain.stored.interfaces if one.network} if domain.stored else set()


def fixed_addresses(domain: Domain) -> set[str]:
    """The host's PCI addresses that a domain names itself; not what it got out of a pool."""
    found: set[str] = set()
    for _, definition in domain.versions:
        found |= {one.source for one in definition.host_devices}
        found |= {
            one.source
            for one in definition.hostdevs
            if one.source and not one.network and one.mac not in pooled(domain)
        }
    return found
