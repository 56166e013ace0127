"""The pytest plugin of the reboot drill: `--reboot HOST`, and one reboot per host that many statements judge."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import pytest

from checks.machines import SELECTION, parameters
from checks.outcome import CouldNotLook
from failover.rebooting.doing import Reboot
from failover.rebooting.facts import HostFacts
from failover.rebooting.result import RebootResult, phases
from inventory.loading import Selection
from inventory.model import Inventory
from inventory.wording import did_you_mean
from reports.run_folder import MACHINE_FACTS, RUN_FOLDER

_RESULTS = pytest.StashKey[dict[str, RebootResult | CouldNotLook]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--reboot`."""
    parser.getgroup("vfproof").addoption(
        "--reboot",
        action="append",
        default=[],
        metavar="HOST",
        help="with --drill: reboot this host, and see that all comes back; may be repeated, one after the other",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """See that every host that is to be rebooted is there and permits it, before anything is looked at."""
    hosts = config.getoption("reboot")
    if not hosts:
        return
    if SELECTION not in config.stash:
        raise pytest.UsageError("--reboot: needs --inventory FILE")
    if not config.getoption("drill"):
        raise pytest.UsageError("--reboot: needs --drill; nothing is rebooted without it")
    if config.getoption("bundles") is not None:
        raise pytest.UsageError("--reboot: no machine is contacted with --bundles")
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--reboot: not with -n: every process would reboot the host once more")
    for host in hosts:
        if (mistake := _mistake(host, config.stash[SELECTION])) is not None:
            raise pytest.UsageError(f"--reboot {host}: {mistake}")


def _mistake(host: str, selection: Selection) -> str | None:
    known = selection.inventory.hosts
    if host not in known:
        return f"there is no such host in the inventory{did_you_mean(host, known)}"
    if host not in selection.hosts:
        return "it is not among the machines of this run (--only)"
    if not known[host].drill.reboot:
        return f"the inventory does not permit it (hosts.{host}.drill.reboot)"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the rows of hosts that nobody asked to reboot: a permission to do it is no wish to."""
    hosts = config.getoption("reboot")

    def unasked(item: pytest.Item) -> bool:
        return "reboot" in getattr(item, "fixturenames", ()) and parameters(item).get("host_name") not in hosts

    # Not told to pytest as deselected: nobody left these out, and a report counts what the command line leaves out.
    items[:] = [item for item in items if not unasked(item)]


@pytest.fixture
def reboot(request: pytest.FixtureRequest, host_name: str, inventory: Inventory) -> RebootResult:
    """The reboot of this host, done when it is first asked for."""
    request.node.user_properties.append(("role", "drill"))
    results = request.config.stash.setdefault(_RESULTS, {})
    if host_name not in results:
        doing = Reboot(host_name, inventory, request.config.stash[RUN_FOLDER], _sayer(request.config))
        try:
            results[host_name] = doing.run()
        except CouldNotLook as problem:
            results[host_name] = problem
    result = results[host_name]
    if isinstance(result, CouldNotLook):
        raise result
    _show(request, result.evidence[:1])
    request.config.stash.setdefault(MACHINE_FACTS, {})[host_name] = dict((result.after or result.before).told)
    return result


@pytest.fixture
def rebooted(reboot: RebootResult) -> RebootResult:
    """What the reboot brought, and when. Raises `CouldNotLook` when nothing was rebooted."""
    reboot.way_back  # noqa: B018 - it raises
    return reboot


@pytest.fixture
def after_reboot(rebooted: RebootResult) -> HostFacts:
    """The host as it is afterwards. Raises `CouldNotLook` when it has not come back, or could not be read."""
    return rebooted.read_again


@pytest.fixture
def phases_noted(request: pytest.FixtureRequest, rebooted: RebootResult) -> None:
    """Put beside this row what came back when."""
    _note(request, [f"rebooted by {rebooted.way}", *map(str, phases(rebooted))])
    _show(request, rebooted.evidence[1:])
    request.node.user_properties += [("figure", f"{label}\t{path}") for label, path in rebooted.figures]


@pytest.fixture
def boot_log_noted(request: pytest.FixtureRequest, rebooted: RebootResult) -> None:
    """Put beside this row what the new kernel said of SR-IOV, the IOMMU and names."""
    lines = rebooted.log.telling() or [rebooted.log.why_not or "nothing about SR-IOV, the IOMMU or names"]
    _note(request, [f"{rebooted.host}'s kernel: {line}" for line in lines])
    _show(request, rebooted.evidence[1:])


@pytest.fixture
def forecasts_noted(request: pytest.FixtureRequest, rebooted: RebootResult) -> None:
    """Put beside this row every forecast and what came."""
    _note(request, [f"{machine}: {one}" for machine, one in rebooted.all_forecasts])
    _show(request, rebooted.evidence[1:])


def _show(request: pytest.FixtureRequest, evidence: Sequence[tuple[str, str]]) -> None:
    request.node.user_properties += [("evidence", f"{label}\t{path}") for label, path in evidence]


def _note(request: pytest.FixtureRequest, lines: list[str]) -> None:
    request.node.user_properties += [("note", line) for line in lines]


def _sayer(config: pytest.Config) -> Callable[[str], None]:
    """Writes to the terminal while a row is under way: the waiting takes minutes."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def say(text: str) -> None:
        if terminal is not None and config.get_verbosity() >= 0:
            with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
                terminal.ensure_newline()
                terminal.write_line(text)

    return say
