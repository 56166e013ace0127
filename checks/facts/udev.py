"""udev's rules as udevd will read them, and the PFs as the rules will see them.

Sources: man udev; systemd src/udev; the sysfs files of the PFs and of all devices above them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from checks.bundle import Bundle, CommandFailed
from checks.facts import pci
from checks.facts.known import attempt
from checks.linux.kernel_parameters import split
from checks.linux.sriov_forecast import Forecast, Port, Surroundings, forecast
from checks.linux.udev_event import ABSENT, Absent, Device
from checks.linux.udev_language import FOLDERS, Rule, Unread, parse_file, reading_order
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, File, Links, Names, Source

_SPLIT_USR = "/lib/udev/rules.d"
_DEVICES = "/sys/bus/pci/devices"
# What rules name to tell NICs and their ports apart, and what does not change between boots.
_NET_ATTRIBUTES = ("address", "dev_id", "dev_port", "type", "addr_assign_type", "phys_port_name", "phys_switch_id")
# Where a driver has none of these, reading them fails, and a rule that asks for them does not apply.
_OPTIONAL = {"phys_port_name", "phys_switch_id"}
_DMI = ("sys_vendor", "product_name")
_VERIFY = "udevadm verify --no-style --no-summary"
_VERSION = "udevadm --version"
_MACHINE = "uname -m"
# Names of udev for what `uname -m` says (systemd src/basic/architecture.c).
_ARCHITECTURES = {"x86_64": "x86-64", "aarch64": "arm64", "ppc64le": "ppc64-le", "s390x": "s390x", "riscv64": "riscv64"}
_LAID_BESIDE = "/etc/udev"
_MOST_BYTES = 4_000_000

RULE_SOURCES: tuple[Source, ...] = (
    *(File(f"{folder}/*") for folder in FOLDERS),
    *(Links(f"{folder}/*") for folder in FOLDERS),
    File(f"{_LAID_BESIDE}/*.rules"),
)
SOURCES: tuple[Source, ...] = (
    *RULE_SOURCES,
    Links("/lib"),
    Names(_SPLIT_USR),
    Attributes(f"{_DEVICES}/*/uevent"),
    *(Attributes(f"/sys/class/net/*/{name}") for name in (*_NET_ATTRIBUTES, "ifindex")),
    Names("/sys/class/net/*"),  # what is not in there, no rule can compare
    File("/run/udev/data/n*", keep="^E:"),
    File("/proc/cmdline"),
    *(Attributes(f"/sys/class/dmi/id/{name}") for name in _DMI),
    Command(_VERSION),
    Command(_MACHINE),
    Command(_VERIFY),
    *pci.SOURCES,
)


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """Everything in the folders of rules: `texts` by path, and `masks`, links that lead to nothing."""

    texts: Mapping[str, str]
    masks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UdevRules:
    """Every rule in the order of reading (dropped lines included), and the files that are not read.

    `unread_texts`: what stands in those, by path. `forecasts`: what the rules make of each PF at the next boot.
    `systemd`: its version. `complaint`: the first of `udevadm verify` ("file:line what"), empty when it has none, None
    where there is no such command.
    """

    rules: tuple[Rule, ...]
    unread: tuple[Unread, ...]
    unread_texts: Mapping[str, str]
    forecasts: tuple[Forecast, ...]
    systemd: int | None = None
    complaint: str | None = None
    around: Surroundings = Surroundings()  # noqa: RUF009 - frozen


def parse(bundle: Bundle) -> UdevRules:
    """The rules and what they will be applied to. Raises what reading rule files and sysfs raises."""
    if bundle.link("/lib") is None and bundle.names(_SPLIT_USR):
        raise CouldNotLook(
            f"{bundle.machine}: {_SPLIT_USR} is no part of /usr here; vfproof does not read rules of such a system"
        )
    return judge(rule_files(bundle), bundle)


def rule_files(bundle: Bundle, folders: Sequence[str] = FOLDERS) -> RuleFiles:
    """The rule files of a host. Raises what reading them raises, and CouldNotLook when there is no end of them."""
    texts = {path: text for folder in folders for path, text in bundle.texts(f"{folder}/*").items()}
    if sum(len(text) for text in texts.values()) > _MOST_BYTES:
        raise CouldNotLook(f"{bundle.machine}: its udev rules are larger than {_MOST_BYTES} bytes; nobody wrote those")
    links = {path: target for folder in folders for path, target in bundle.links(f"{folder}/*").items()}
    # A link to nothing masks as well as one to /dev/null: its name is taken, and there is nothing to read.
    masks = tuple(path for path, target in links.items() if target == "/dev/null" or path not in texts)
    return RuleFiles(texts | bundle.texts(f"{_LAID_BESIDE}/*.rules"), masks)


def judge(files: RuleFiles, bundle: Bundle) -> UdevRules:
    """What rule files make of the PFs of a host. Raises what reading sysfs raises."""
    order, unread = reading_order(files.texts, files.masks)
    systemd = _version(bundle)
    rules = tuple(rule for path in order for rule in parse_file(path, files.texts[path], systemd))
    parameters = {p.name: p.value or "1" for p in split(bundle.text("/proc/cmdline") or "")}
    around = _surroundings(bundle, systemd)
    return UdevRules(
        rules=rules,
        unread=unread,
        unread_texts={item.path: files.texts[item.path] for item in unread if item.path in files.texts},
        forecasts=forecast(rules, _ports(bundle), parameters, around),
        systemd=systemd,
        complaint=_complaint(bundle),
        around=around,
    )


def _version(bundle: Bundle) -> int | None:
    said = attempt(lambda: bundle.output(_VERSION))
    first = said.split()[:1] if isinstance(said, str) else []
    return int(first[0]) if first and first[0].isdecimal() and len(first[0]) < 6 else None


def _complaint(bundle: Bundle) -> str | None:
    """What `udevadm verify` complains of first: it is there since systemd 254, and has no say in any verdict."""
    try:
        return None if bundle.output(_VERIFY) is None else ""
    except CommandFailed as error:
        return error.stderr if error.stderr.startswith("/") else None
    except CouldNotLook:
        return None


def _surroundings(bundle: Bundle, systemd: int | None) -> Surroundings:
    machine = attempt(lambda: bundle.output(_MACHINE))
    dmi = {f"[dmi/id]{name}": attempt(lambda name=name: bundle.text(f"/sys/class/dmi/id/{name}")) for name in _DMI}  # type: ignore[misc]
    devices = bundle.links(f"{_DEVICES}/*")
    return Surroundings(
        attributes={name: text.rstrip("\n") for name, text in dmi.items() if isinstance(text, str)},
        architecture=_ARCHITECTURES.get(machine.strip()) if isinstance(machine, str) else None,
        systemd=systemd,
        addresses=frozenset(path.rsplit("/", 1)[1] for path in devices),
        netdevs=frozenset(path.rsplit("/", 1)[1] for path in bundle.links("/sys/class/net/*")),
        vfs={
            path.split("/")[-2]: target.rsplit("/", 1)[-1]
            for path, target in bundle.links(f"{_DEVICES}/*/physfn").items()
        },
    )


def _ports(bundle: Bundle) -> tuple[Port, ...]:
    known = _devices(bundle)
    return tuple(
        Port(
            address=pf.address,
            driver=pf.driver or "",
            netdev=pf.netdev,
            net_attributes=_net_attributes(bundle, pf.netdev),
            totalvfs=pf.totalvfs,
            path=pf.device_path,
            ids=pf.ids,
            parents=_parents(pf.device_path, known),
            database=_database(bundle, pf.netdev),
            pci_properties=_properties(bundle.text(f"{_DEVICES}/{pf.address}/uevent") or ""),
            net_names=_net_names(bundle, pf.netdev),
        )
        for pf in pci.parse(bundle)
    )


def _devices(bundle: Bundle) -> dict[str, tuple[str, dict[str, str]]]:
    """Driver and ids of every PCI device, by address."""
    links = bundle.links(f"{_DEVICES}/*/driver")
    drivers = {path.split("/")[-2]: target.split("/")[-1] for path, target in links.items()}
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for name in pci.IDS:
        for path, text in bundle.texts(f"{_DEVICES}/*/{name}").items():
            address = path.split("/")[-2]
            found.setdefault(address, (drivers.get(address, ""), {}))[1][name] = text.strip()
    return found


def _parents(path: str, known: Mapping[str, tuple[str, dict[str, str]]]) -> tuple[Device, ...]:
    """The devices above a path such as devices/pci0000:00/0000:00:02.0/0000:01:00.0, nearest first."""
    parts = path.split("/")
    found = []
    for end in range(len(parts) - 1, 1, -1):
        name = parts[end - 1]
        driver, ids = known.get(name, ("", {}))
        attributes: dict[str, str | Absent] = {**dict.fromkeys(pci.IDS, ABSENT), **ids}
        # The root (pci0000:00) has no subsystem.
        found.append(Device("/".join(parts[:end]), (name,), "pci" if name in known else "", driver, attributes))
    return tuple(found)


def _net_attributes(bundle: Bundle, netdev: str | None) -> dict[str, str | Absent]:
    texts = {name: attempt(partial(bundle.text, f"/sys/class/net/{netdev}/{name}")) for name in _NET_ATTRIBUTES}
    found: dict[str, str | Absent] = {}
    for name, text in texts.items() if netdev else ():
        if isinstance(text, str):
            found[name] = text.strip()
        elif name in _OPTIONAL:
            found[name] = ABSENT
    return found


def _net_names(bundle: Bundle, netdev: str | None) -> frozenset[str] | None:
    names = attempt(lambda: bundle.names(f"/sys/class/net/{netdev}")) if netdev else None
    return None if names is None or isinstance(names, CouldNotLook) else frozenset(names)


def _database(bundle: Bundle, netdev: str | None) -> dict[str, str]:
    """udev's properties of a netdev, as they were set this time."""
    index = bundle.text(f"/sys/class/net/{netdev}/ifindex") if netdev else None
    text = bundle.text(f"/run/udev/data/n{index.strip()}") if index and index.strip().isdecimal() else None
    return _properties("\n".join(line.removeprefix("E:") for line in (text or "").splitlines()))


def _properties(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, equals, value in pairs if equals}
