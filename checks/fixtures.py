"""Facts as fixtures: what a check asks for is read in setup, where a failed read is an error and never a failure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import lru_cache, partial
from types import ModuleType

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
from checks.machines import BUNDLES, SELECTION, Facts, Machines, Who, parameters
from checks.outcome import CouldNotLook
from checks.readable.evidence import evidence
from checks.shared_groups import Owners, owners
from inventory.model import Guest, Host, Inventory
from reports.run_folder import READINGS, RUN_FOLDER

_MACHINES = pytest.StashKey[Machines]()
_ROW = pytest.StashKey[pytest.Item]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let no gather outlive the run."""
    if _MACHINES in config.stash:
        config.stash[_MACHINES].close()


def _needed(items: list[pytest.Item], inventory: Inventory) -> list[Who]:
    """Machines whose bundle some row of this run will ask for."""
    found: list[Who] = []
    for item in items:
        fixtures, names = getattr(item, "fixturenames", ()), parameters(item)
        if {"host_bundle", "host_facts", COMPARES} & set(fixtures) and "host_name" in names:
            found.append(("host", names["host_name"]))
        if {"guest_bundle", "guest_facts"} & set(fixtures) and "guest_name" in names:
            found.append(("guest", names["guest_name"]))
        if {"guest_host_bundle", "guest_host_facts", "vfs_behind_nics"} & set(fixtures) and "guest_name" in names:
            host = inventory.guests[names["guest_name"]].host
            found += [("host", host)] if host is not None else []
    return found


def pytest_sessionstart(session: pytest.Session) -> None:
    """Offer what all rows of a run share."""
    if SELECTION in session.config.stash:
        session.config.pluginmanager.register(_run_fixtures(session), "vfproof-run-fixtures")


def _run_fixtures(session: pytest.Session) -> ModuleType:
    """Fixtures of a run as a whole, as a plugin.

    pytest makes another `request` for every row and every fixture that asks for one, in more time than most rows take.
    These every row asks for, and they have what they need from here.
    """

    @pytest.fixture(scope="session")
    def inventory() -> Inventory:
        """The whole inventory of this run."""
        return session.config.stash[SELECTION].inventory

    @pytest.fixture(scope="session")
    def machines() -> Machines:
        """Bundles and facts of this run's machines. The first row that asks begins all gathers."""
        return machines_of(session)

    @pytest.fixture(scope="session")
    def hosts_together(inventory: Inventory, machines: Machines) -> Callable[[], AllHosts]:
        """Looks at all hosts of this run side by side, once."""
        wanted = {name: inventory.hosts[name] for name in session.config.stash[SELECTION].hosts}
        return lru_cache(lambda: look_at_all(wanted, lambda name, parse: machines.fact(("host", name), parse)))

    @pytest.fixture
    def host_name() -> str:
        """The host that the row is about."""
        return str(parameters(session.config.stash[_ROW])["host_name"])

    @pytest.fixture
    def guest_name() -> str:
        """The guest that the row is about."""
        return str(parameters(session.config.stash[_ROW])["guest_name"])

    plugin = ModuleType(_run_fixtures.__name__, _run_fixtures.__doc__)
    vars(plugin).update(
        inventory=inventory,
        machines=machines,
        hosts_together=hosts_together,
        host_name=host_name,
        guest_name=guest_name,
    )
    return plugin


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """From now on, what is asked of machines is this row's evidence."""
    item.config.stash[_ROW] = item
    if _MACHINES in item.config.stash:
        item.config.stash[_MACHINES].asked.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Say what the row asked for, however its clean-up goes."""
    try:
        return (yield)
    finally:
        stash = item.config.stash
        if _MACHINES in stash and stash[_MACHINES].asked:
            readings: dict[str, str] = stash.get(READINGS, {})
            item.user_properties += evidence(stash[_MACHINES], readings)


def machines_of(session: pytest.Session) -> Machines:
    """Bundles and facts of a run's machines; whoever asks first begins all gathers."""
    stash = session.config.stash
    if _MACHINES not in stash:
        selection = stash[SELECTION]
        needed = _needed(session.items, selection.inventory)
        compares = any(COMPARES in getattr(item, "fixturenames", ()) for item in session.items)
        compared = selection.hosts if compares and are_many(selection) else ()
        folder, bundles = stash.get(RUN_FOLDER, None), stash.get(BUNDLES, None)
        write_down = partial(noted.note, stash)
        stash[_MACHINES] = Machines(
            selection.inventory, needed, folder, bundles, compared=compared, write_down=write_down
        )
    return stash[_MACHINES]


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
def host_bundle(machines: Machines, host_name: str) -> Bundle:
    """What the host's gather brought back."""
    return machines.look(("host", host_name))


@pytest.fixture
def guest_bundle(machines: Machines, guest_name: str) -> Bundle:
    """What the guest's gather brought back."""
    return machines.look(("guest", guest_name))


@pytest.fixture
def guest_host_bundle(machines: Machines, guest_host_name: str) -> Bundle:
    """What the gather of the guest's host brought back."""
    return machines.look(("host", guest_host_name))


@pytest.fixture
def host_facts(machines: Machines, host_name: str) -> Facts:
    """Gives what a parser makes of what the host's gather brought back."""
    return machines.facts(("host", host_name))


@pytest.fixture
def guest_facts(machines: Machines, guest_name: str) -> Facts:
    """Gives what a parser makes of what the guest's gather brought back."""
    return machines.facts(("guest", guest_name))


@pytest.fixture
def guest_host_facts(machines: Machines, guest_host_name: str) -> Facts:
    """Gives what a parser makes of what the gather of the guest's host brought back."""
    return machines.facts(("host", guest_host_name))


@pytest.fixture
def iommu(host_facts: Facts) -> Iommu:
    """The host's IOMMU."""
    return host_facts(iommu_facts.parse)


@pytest.fixture
def boot_parameters(host_facts: Facts) -> BootParameters:
    """The host's kernel parameters: running, configured, and of the next boot."""
    return host_facts(boot_parameters_facts.parse)


@pytest.fixture
def pfs(host_facts: Facts) -> tuple[Pf, ...]:
    """The host's PFs with their VFs."""
    return host_facts(pci.parse)


@pytest.fixture
def kernel_log(host_facts: Facts) -> KernelLog:
    """What the host's log says of SR-IOV."""
    return host_facts(kernel_log_facts.parse)


@pytest.fixture
def all_hosts(machines: Machines, host_name: str, hosts_together: Callable[[], AllHosts]) -> AllHosts:
    """All hosts that this run looks at, side by side; made once. The host's own bundle is the evidence."""
    machines.looked(("host", host_name))
    machines.note(("host", host_name))
    with machines.aside():
        return hosts_together()


@pytest.fixture
def udev_rules(host_facts: Facts) -> UdevRules:
    """The host's udev rules, as they are read at boot."""
    return host_facts(udev.parse)


@pytest.fixture
def persistence(host_facts: Facts) -> Persistence:
    """Everything besides udev's rules that sets numbers of VFs on the host at boot."""
    return host_facts(persistence_facts.parse)


@pytest.fixture
def system(host_facts: Facts) -> System:
    """What the host says about itself."""
    return host_facts(system_facts.parse)


@pytest.fixture
def domains(host_facts: Facts) -> tuple[Domain, ...]:
    """The host's libvirt domains."""
    return host_facts(libvirt.parse)


@pytest.fixture
def networks(host_facts: Facts) -> tuple[Network, ...]:
    """The networks of the host's libvirt."""
    return host_facts(networks_facts.parse)


@pytest.fixture
def libvirt_start(host_facts: Facts) -> LibvirtStart:
    """What the host's libvirt starts after."""
    return host_facts(libvirt_start_facts.parse)


@pytest.fixture
def libvirt_says(host_facts: Facts) -> tuple[str, ...]:
    """What libvirt's own check of the host does not pass: evidence, and often wrong."""
    return host_facts(host_validation.parse)


@pytest.fixture
def host_nics(host_facts: Facts) -> tuple[Nic, ...]:
    """The host's NICs."""
    return host_facts(nics.parse)


@pytest.fixture(name="managed_nics")
def _managed_nics(host_facts: Facts) -> Mapping[str, str]:
    """The profiles that NetworkManager has on interfaces of the host."""
    return host_facts(managed_nics.parse)


@pytest.fixture
def host_bonds(host_facts: Facts) -> tuple[Bond, ...]:
    """The host's own bonds."""
    return host_facts(bonds_facts.parse)


@pytest.fixture
def device_owners(host_facts: Facts) -> Owners | CouldNotLook:
    """Which domains have which PCI device of the host; where that is not known, why."""
    return attempt(lambda: owners(host_facts(libvirt.parse)))


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says what a reader of the row may want to know, whatever comes out of it."""
    return lambda text: request.node.user_properties.append(("note", text))


@pytest.fixture
def guest_nics(guest_facts: Facts) -> tuple[Nic, ...]:
    """The guest's NICs."""
    return guest_facts(nics.parse)


@pytest.fixture
def guest_system(guest_facts: Facts) -> System:
    """What the guest says about itself."""
    return guest_facts(system_facts.parse)


@pytest.fixture
def guest_bonds(guest_facts: Facts) -> tuple[Bond, ...]:
    """The guest's bonds."""
    return guest_facts(bonds_facts.parse)


@pytest.fixture
def guest_pfs(guest_host_facts: Facts) -> tuple[Pf, ...]:
    """The PFs of the guest's host."""
    return guest_host_facts(pci.parse)


@pytest.fixture
def guest_domain(guest_name: str, wanted_guest: Guest, guest_host_facts: Facts) -> Domain | None:
    """The guest's libvirt domain on its host; None when the host has none of that name."""
    return libvirt.find(guest_host_facts(libvirt.parse), wanted_guest.domain or guest_name)


@pytest.fixture
def vfs_behind_nics(
    machines: Machines, guest_name: str, wanted_guest: Guest, guest_nics: tuple[Nic, ...]
) -> dict[str, HandedVf]:
    """The host's VF behind each NIC of the guest, by the NIC's name; empty where the inventory names no host for it."""
    if wanted_guest.host is None:
        return {}
    facts = machines.facts(("host", wanted_guest.host))
    domain = libvirt.find(facts(libvirt.parse), wanted_guest.domain or guest_name)
    return behind(guest_nics, handed_vfs(domain.current, facts(pci.parse)) if domain else ())
