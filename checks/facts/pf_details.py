"""What else is known of a PF: MTU, port speed, PCIe link, NUMA node, its own SR-IOV capability, and its eswitch.

Sources: Linux 6.12 Documentation/ABI/testing/sysfs-class-net, sysfs-bus-pci; devlink-dev(8). Any of it may be unknown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from checks.bundle import Bundle, CommandFailed, UnexpectedOutput
from checks.facts.known import attempt
from checks.linux.config_space import SriovCapability, sriov_capability
from checks.linux.pcie_link import Lanes, PcieLink, lanes
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, File, Names, Source

_NETDEVS = "/sys/class/net"
_NODES = "/sys/devices/system/node"
_HANDLES = "devlink dev show"
_ESWITCH = "devlink -j dev eswitch show"
_NO_NAME = "<unknown mode>"  # a mode that is newer than the host's iproute2
_NUMA, _LINK, _END = "numa_node", "link_", ("speed", "width")

SOURCES: tuple[Source, ...] = (
    Attributes(f"{_NETDEVS}/*/mtu"),
    Attributes(f"{_NETDEVS}/*/speed"),
    Attributes(f"{_NETDEVS}/*/device/{_NUMA}"),
    *(Attributes(f"{_NETDEVS}/*/device/current_{_LINK}{end}") for end in _END),
    *(Attributes(f"{_NETDEVS}/*/device/max_{_LINK}{end}") for end in _END),
    *(Attributes(f"{_NETDEVS}/*/device/../max_{_LINK}{end}") for end in _END),
    Names(_NODES),
    File(f"{_NETDEVS}/*/device/config", binary=True, limit_bytes=4096),
    Command(_HANDLES),
    Command(_ESWITCH, each_line_of=_HANDLES),
)


@dataclass(frozen=True, slots=True)
class PfDetails:
    """More of one PF; None is what is not known, and a text in `capability` or `eswitch_unknown` says why not.

    `link` is None for a PF without one, unless `link_unread` says why nothing was read.
    `capability`: what the card itself says; None when it shows no SR-IOV capability. `eswitch_mode`: "legacy" also for
    drivers that know no other. `numa_node` is -1 when the firmware does not tell; `numa_nodes` counts the host's.
    """

    mtu: int | None = None
    speed_mbps: int | None = None
    numa_node: int | None = None
    numa_nodes: int = 1
    link: PcieLink | None = None
    link_unread: str | None = None
    capability: SriovCapability | str | None = "it was not read"
    eswitch_mode: str | None = None
    eswitch_unknown: str = "it was not read"


UNKNOWN = PfDetails()


def details(bundle: Bundle, address: str, netdev: str | None) -> PfDetails:
    """What is known of the PF at `address`. Raises UnexpectedOutput for numbers that are none."""
    mode, unknown = _eswitch(bundle, address)
    if netdev is None:
        return PfDetails(eswitch_mode=mode, eswitch_unknown=unknown)
    return PfDetails(
        mtu=mtu(bundle, netdev),
        speed_mbps=_speed(bundle, netdev),
        numa_node=_number(bundle, f"{_NETDEVS}/{netdev}/device/{_NUMA}"),
        numa_nodes=_nodes(bundle),
        link=_link(bundle, f"{_NETDEVS}/{netdev}/device"),
        link_unread=_unread(bundle, f"{_NETDEVS}/{netdev}/device/current_{_LINK}speed"),
        capability=_capability(bundle, netdev),
        eswitch_mode=mode,
        eswitch_unknown=unknown,
    )


def mtu(bundle: Bundle, netdev: str) -> int | None:
    """The MTU of a netdev in bytes."""
    return _number(bundle, f"{_NETDEVS}/{netdev}/mtu")


def _speed(bundle: Bundle, netdev: str) -> int | None:
    """Mbit/s of the port; None while it has no link (the kernel then says -1, or nothing)."""
    found = _number(bundle, f"{_NETDEVS}/{netdev}/speed")
    return found if found is not None and 0 < found < 1 << 31 else None


def _nodes(bundle: Bundle) -> int:
    names = attempt(lambda: bundle.names(_NODES))
    known = () if names is None or isinstance(names, CouldNotLook) else names
    return max(1, sum(name.removeprefix("node").isdecimal() for name in known if name.startswith("node")))


def _link(bundle: Bundle, device: str) -> PcieLink | None:
    def end(which: str) -> Lanes | None:
        return lanes(*(_text(bundle, f"{device}/{which}_{_LINK}{end}") for end in _END))

    current = end("current")
    return None if current is None else PcieLink(current, end("max"), end("../max"))


def _capability(bundle: Bundle, netdev: str) -> SriovCapability | str | None:
    data = attempt(lambda: bundle.data(f"{_NETDEVS}/{netdev}/device/config"))
    return str(data) if isinstance(data, CouldNotLook) else sriov_capability(data)


def _eswitch(bundle: Bundle, address: str) -> tuple[str | None, str]:
    """The mode, or None and why it is not known."""
    handle = f"pci/{address}"
    try:
        handles = bundle.output(_HANDLES)
        if handles is None:
            return None, "there is no 'devlink' program on the host"
        if handle not in handles:
            return "legacy", ""  # no devlink instance: the driver has no eswitch to switch
        text = bundle.output(f"{_ESWITCH} {handle}")
        if (
            text is None
        ):  # a line with nested instances or an index in it (pr_out_dev) is no argument of the next command
            return None, f"'{_HANDLES}' prints {handle} with more on its line, and nobody was asked about it"
        return _mode(text, handle)
    except CommandFailed as error:
        # A driver without eswitch modes: EOPNOTSUPP, net/devlink/dev.c (devlink_nl_eswitch_get_doit)
        return ("legacy", "") if "not supported" in error.stderr.lower() else (None, str(error))
    except CouldNotLook as error:
        return None, str(error)


def _mode(text: str, handle: str) -> tuple[str | None, str]:
    """The mode in `{"dev": {HANDLE: {"mode": MODE, "inline-mode": ..., "encap-mode": ...}}}`; each key may be absent.

    Source: iproute2 devlink/devlink.c (cmd_dev_eswitch_show, pr_out_eswitch, eswitch_mode_name), commit ee2a4a86.
    """
    try:
        found = json.loads(text)["dev"][handle]["mode"]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None, f"'{_ESWITCH} {handle}' printed no mode: {text[:60]!r}"
    if not isinstance(found, str) or found == _NO_NAME:
        return None, f"devlink calls the mode {str(found)[:40]!r}"
    return found, ""


def _unread(bundle: Bundle, path: str) -> str | None:
    found = attempt(lambda: bundle.text(path))
    return str(found) if isinstance(found, CouldNotLook) else None


def _text(bundle: Bundle, path: str) -> str | None:
    found = attempt(lambda: bundle.text(path))
    return None if isinstance(found, CouldNotLook) else found


def _number(bundle: Bundle, path: str) -> int | None:
    text = (_text(bundle, path) or "").strip()
    if not text:
        return None
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 10:
        raise UnexpectedOutput(f"{path}: no number: {text[:40]!r}")
    return int(text)
