"""Facts as fixtures: what a check asks for is read in setup, where a failed read is an error and never a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from checks import noted
from checks.bundle import Bundle
from checks.facts import bonds as bonds_facts
from checks.facts import boot_parameters as boot_parameters_facts
from checks.facts import host_validation, libvirt, managed_nics, nics, pci, udev
from checks.facts import iommu as iommu_facts
from checks.facts import kernel_log as kernel_log_facts
from checks.facts import libvirt_start as libvirt_start_facts
from checks.facts import networks as networks_facts
from checks.facts import persistence as persistence_facts
from checks.facts import system as system_facts
from checks.facts.bonds import Bond
from checks.facts.boot_parameters import BootParameters
from checks.facts.iommu import Iommu
from checks.facts.kernel_log import KernelLog
from checks.facts.known import attempt
from checks.facts.libvirt import Domain
from checks.facts.libvirt_start import LibvirtStart
from checks.facts.networks import Network
from checks.facts.nics import Nic
from checks.facts.pci import Pf
from checks.facts.persistence import Persistence
from checks.facts.system import System
from checks.facts.udev import UdevRules
from checks.handed_vfs import HandedVf, behind, handed_vfs
from checks.hosts_together import AllHosts, look_at_all
from checks.machine_order import COMPARES, are_many
from checks.machines import BUNDLES, SELECTION, Machines, Who, parameters
from checks.outcome import CouldNotLook
from checks.readable.evidence import evidence
from checks.shared_groups import Owners, owners
from inventory.model import Guest, Host, Inventory
from reports.run_folder import READINGS, RUN_FOLDER

_MACHINES = pytest.StashKey[Machines]()
_ALL_HOSTS = pytest.StashKey[AllHosts]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let no gather outlive the run."""
    if _MACHINES in config.stash:
        config.stash[_MACHINES].close()


def _needed(items: list[pytest.Item], inventory: Inventory) -> list[Who]:
    """Machines whose bundle some row of this run will ask for."""
    found: list[Who] = []
    for item in items:
        fixtures, names = getattr(item, "fixturenames", ()), parameters(item)
        if {"host_bundle", COMPARES} & set(fixtures) and "host_name" in names:
            found.append(("host", names["host_name"]))
        if "guest_bundle" in fixtures and "guest_name" in names:
            found.append(("guest", names["guest_name"]))
        if {"guest_host_bundle", "vfs_behind_nics"} & set(fixtures) and "guest_name" in names:
            host = inventory.guests[names["guest_name"]].host
            found += [("host", host)] if host is not None else []
    return found


@pytest.fixture(scope="session")
def inventory(pytestconfig: pytest.Config) -> Inventory:
    """The whole inventory of this run."""
    return pytestconfig.stash[SELECTION].inventory


@pytest.fixture
def machines(request: pytest.FixtureRequest) -> Iterator[Machines]:
    """Bundles and facts of this run's machines. The first row that asks begins all gathers."""
    found = machines_of(request.session)
    found.asked.clear()
    yield found
    readings: dict[str, str] = request.config.stash.get(READINGS, {})
    request.node.user_properties += evidence(found, readings)


def machines_of(session: pytest.Session) -> Machines:
    """Bundles and facts of a run's machines; whoever asks first begins all gathers."""
    stash = session.config.stash
    if _MACHINES not in stash:
        selection = stash[SELECTION]
        needed = _needed(session.items, selection.inventory)
        compares = any(COMPARES in getattr(item, "fixturenames", ()) for item in session.items)
        compared = selection.hosts if compares and are_many(selection) else ()
        folder, bundles = stash.get(RUN_FOLDER, None), stash.get(BUNDLES, None)
        stash[_MACHINES] = Machines(selection.inventory, needed, folder, bundles, compared)
    return stash[_MACHINES]


def _bundle(request: pytest.FixtureRequest, machines: Machines, who: Who) -> Bundle:
    bundle = machines.bundle(who)
    _note(request, machines, who)
    return bundle


def _note(request: pytest.FixtureRequest, machines: Machines, who: Who) -> None:
    machines.asked.append((who, ""))
    noted.note(request.config.stash, machines, who)


@pytest.fixture
def wanted_host(inventory: Inventory, host_name: str) -> Host:
    """What the inventory says of the host."""
    return inventory.hosts[host_name]


@pytest.fixture
def wanted_guest(inventory: Inventory, guest_name: str) -> Guest:
    """What the inventory says of the guest."""
    return inventory.guests[guest_name]


@pytest.fixture
def guest_host_name(wanted_guest: Guest, guest_name: str) -> str:
    """The host that the guest runs on; a row that needs it does not apply to a guest without one."""
    if wanted_guest.host is None:
        pytest.skip(f"{guest_name}: the inventory names no host that it runs on (guests.{guest_name}.host)")
    return wanted_guest.host


@pytest.fixture
def host_bundle(request: pytest.FixtureRequest, machines: Machines, host_name: str) -> Bundle:
    """What the host's gather brought back."""
    return _bundle(request, machines, ("host", host_name))


@pytest.fixture
def guest_bundle(request: pytest.FixtureRequest, machines: Machines, guest_name: str) -> Bundle:
    """What the guest's gather brought back."""
    return _bundle(request, machines, ("guest", guest_name))


@pytest.fixture
def guest_host_bundle(request: pytest.FixtureRequest, machines: Machines, guest_host_name: str) -> Bundle:
    """What the gather of the guest's host brought back."""
    return _bundle(request, machines, ("host", guest_host_name))


@pytest.fixture
def iommu(machines: Machines, host_name: str, host_bundle: Bundle) -> Iommu:  # noqa: ARG001 - it is the evidence
    """The host's IOMMU."""
    return machines.fact(("host", host_name), iommu_facts.parse)


@pytest.fixture
def boot_parameters(machines: Machines, host_name: str, host_bundle: Bundle) -> BootParameters:  # noqa: ARG001
    """The host's kernel parameters: running, configured, and of the next boot."""
    return machines.fact(("host", host_name), boot_parameters_facts.parse)


@pytest.fixture
def pfs(machines: Machines, host_name: str, host_bundle: Bundle) -> tuple[Pf, ...]:  # noqa: ARG001
    """The host's PFs with their VFs."""
    return machines.fact(("host", host_name), pci.parse)


@pytest.fixture
def kernel_log(machines: Machines, host_name: str, host_bundle: Bundle) -> KernelLog:  # noqa: ARG001
    """What the host's log says of SR-IOV."""
    return machines.fact(("host", host_name), kernel_log_facts.parse)


@pytest.fixture
def all_hosts(
    request: pytest.FixtureRequest,
    machines: Machines,
    inventory: Inventory,
    host_name: str,
) -> AllHosts:
    """All hosts that this run looks at, side by side; made once. The host's own bundle is the evidence."""
    stash = request.config.stash
    machines.looked(("host", host_name))
    _note(request, machines, ("host", host_name))
    if _ALL_HOSTS not in stash:
        wanted = {name: inventory.hosts[name] for name in stash[SELECTION].hosts}
        with machines.aside():
            stash[_ALL_HOSTS] = look_at_all(wanted, lambda name, parse: machines.fact(("host", name), parse))
    return stash[_ALL_HOSTS]


@pytest.fixture
def udev_rules(machines: Machines, host_name: str, host_bundle: Bundle) -> UdevRules:  # noqa: ARG001
    """The host's udev rules, as they are read at boot."""
    return machines.fact(("host", host_name), udev.parse)


@pytest.fixture
def persistence(machines: Machines, host_name: str, host_bundle: Bundle) -> Persistence:  # noqa: ARG001
    """Everything besides udev's rules that sets numbers of VFs on the host at boot."""
    return machines.fact(("host", host_name), persistence_facts.parse)


@pytest.fixture
def system(machines: Machines, host_name: str, host_bundle: Bundle) -> System:  # noqa: ARG001
    """What the host says about itself."""
    return machines.fact(("host", host_name), system_facts.parse)


@pytest.fixture
def domains(machines: Machines, host_name: str, host_bundle: Bundle) -> tuple[Domain, ...]:  # noqa: ARG001
    """The host's libvirt domains."""
    return machines.fact(("host", host_name), libvirt.parse)


@pytest.fixture
def networks(machines: Machines, host_name: str, host_bundle: Bundle) -> tuple[Network, ...]:  # noqa: ARG001
    """The networks of the host's libvirt."""
    return machines.fact(("host", host_name), networks_facts.parse)


@pytest.fixture
def libvirt_start(machines: Machines, host_name: str, host_bundle: Bundle) -> LibvirtStart:  # noqa: ARG001
    """What the host's libvirt starts after."""
    return machines.fact(("host", host_name), libvirt_start_facts.parse)


@pytest.fixture
def libvirt_says(machines: Machines, host_name: str, host_bundle: Bundle) -> tuple[str, ...]:  # noqa: ARG001
    """What libvirt's own check of the host does not pass: evidence, and often wrong."""
    return machines.fact(("host", host_name), host_validation.parse)


@pytest.fixture
def host_nics(machines: Machines, host_name: str, host_bundle: Bundle) -> tuple[Nic, ...]:  # noqa: ARG001
    """The host's NICs."""
    return machines.fact(("host", host_name), nics.parse)


@pytest.fixture(name="managed_nics")
def _managed_nics(machines: Machines, host_name: str, host_bundle: Bundle) -> Mapping[str, str]:  # noqa: ARG001
    """The profiles that NetworkManager has on interfaces of the host."""
    return machines.fact(("host", host_name), managed_nics.parse)


@pytest.fixture
def host_bonds(machines: Machines, host_name: str, host_bundle: Bundle) -> tuple[Bond, ...]:  # noqa: ARG001
    """The host's own bonds."""
    return machines.fact(("host", host_name), bonds_facts.parse)


@pytest.fixture
def device_owners(machines: Machines, host_name: str, host_bundle: Bundle) -> Owners | CouldNotLook:  # noqa: ARG001
    """Which domains have which PCI device of the host; where that is not known, why."""
    return attempt(lambda: owners(machines.fact(("host", host_name), libvirt.parse)))


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says what a reader of the row may want to know, whatever comes out of it."""
    return lambda text: request.node.user_properties.append(("note", text))


@pytest.fixture
def guest_nics(machines: Machines, guest_name: str, guest_bundle: Bundle) -> tuple[Nic, ...]:  # noqa: ARG001
    """The guest's NICs."""
    return machines.fact(("guest", guest_name), nics.parse)


@pytest.fixture
def guest_system(machines: Machines, guest_name: str, guest_bundle: Bundle) -> System:  # noqa: ARG001
    """What the guest says about itself."""
    return machines.fact(("guest", guest_name), system_facts.parse)


@pytest.fixture
def guest_bonds(machines: Machines, guest_name: str, guest_bundle: Bundle) -> tuple[Bond, ...]:  # noqa: ARG001
    """The guest's bonds."""
    return machines.fact(("guest", guest_name), bonds_facts.parse)


@pytest.fixture
def guest_pfs(machines: Machines, guest_host_name: str, guest_host_bundle: Bundle) -> tuple[Pf, ...]:  # noqa: ARG001
    """The PFs of the guest's host."""
    return machines.fact(("host", guest_host_name), pci.parse)


@pytest.fixture
def guest_domain(
    machines: Machines,
    guest_name: str,
    wanted_guest: Guest,
    guest_host_name: str,
    guest_host_bundle: Bundle,  # noqa: ARG001
) -> Domain | None:
    """The guest's libvirt domain on its host; None when the host has none of that name."""
    found = machines.fact(("host", guest_host_name), libvirt.parse)
    return libvirt.find(found, wanted_guest.domain or guest_name)


@pytest.fixture
def vfs_behind_nics(
    request: pytest.FixtureRequest, wanted_guest: Guest, guest_nics: tuple[Nic, ...]
) -> dict[str, HandedVf]:
    """The host's VF behind each NIC of the guest, by the NIC's name; empty where the inventory names no host for it."""
    if wanted_guest.host is None:
        return {}
    domain = request.getfixturevalue("guest_domain")
    return behind(guest_nics, handed_vfs(domain.current, request.getfixturevalue("guest_pfs")) if domain else ())
