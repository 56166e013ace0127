"""The typed form of `lab/topologies/*.yaml`: nodes, their NICs, the switch's other users, and the paths for SSH."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from inventory.document import InventoryError, plain

FOLDER = Path(__file__).parent / "topologies"

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,23}$")
_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")
_NIC = re.compile(r"^[A-Za-z0-9_.-]{1,15}$")

Interface = IPv4Interface | IPv6Interface


class TopologyError(Exception):
    """A topology cannot be used; the text says which file, where in it, and why."""


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.match(value):
            raise ValueError(f"not {what}")
        return value

    return AfterValidator(check)


Name = Annotated[str, _matching(_NAME, "a name: lower-case letters, digits and '-', at most 24")]
Mac = Annotated[str, _matching(_MAC, "a MAC address in lower case")]
Nic = Annotated[str, _matching(_NIC, "an interface name of at most 15 characters")]


class Strict(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Port(Strict):
    """One NIC of a node and the tap in the cell that is its wire."""

    mac: Mac
    bridge: Literal["sw", "mgmt"]
    tap: Nic = Field(description="name of the tap inside the cell; `lab fault port-down` takes this name")
    addresses: tuple[Interface, ...] = ()
    vlans: dict[int, tuple[Interface, ...]] = Field(default_factory=dict)


class Bond(Strict):
    """A bond that a User-mode node makes at boot, with the kernel's own option names."""

    slaves: tuple[Nic, ...]
    mode: str = "active-backup"
    fail_over_mac: Literal["none", "active", "follow"] = "active"
    miimon: int = 100
    num_grat_arp: int = 3
    peer_notif_delay: int = 200
    addresses: tuple[Interface, ...] = ()
    vlans: dict[int, tuple[Interface, ...]] = Field(default_factory=dict)


class Node(Strict):
    """One machine. `uml` nodes are described whole here; the others' own module knows the rest."""

    machine: Literal["uml", "sriov-host", "nested"]
    after: Name | None = Field(default=None, description="start only when that node is ready")
    memory_mib: int = Field(ge=64)
    come_up_within_s: int = Field(ge=1, description="counted from its own start")
    nics: dict[Nic, Port] = Field(default_factory=dict)
    bonds: dict[Nic, Bond] = Field(default_factory=dict)
    settings: dict[str, str | int] = Field(default_factory=dict, description="for the machine's own module")


class Namespace(Strict):
    """A network namespace inside the cell with one veth to a bridge: an observer that needs no machine."""

    nic: Nic = "eth0"
    mac: Mac
    bridge: Literal["sw", "mgmt"] = "sw"
    tap: Nic = Field(description="name of the cell's end of the veth")
    addresses: tuple[Interface, ...] = ()


class Upgrade(Strict):
    """What `lab upgrade` does: a script of `lab/guest` on a node, as its administrator would, and then a reboot."""

    node: Name
    script: Name
    anew: Name | None = Field(default=None, description="a node that the script itself starts anew, in place of `node`")
    within_s: int = Field(ge=1, description="for the script; coming up again has what the nodes have for that")


class SshPath(Strict):
    """One `Host` of the generated ssh configuration. Its key is the name given to ssh."""

    node: Name
    address: IPv4Address
    jump: Name | None = Field(default=None, description="another path to go through")
    inside: Name | None = Field(default=None, description="namespace to connect from; the cell's own when left out")


class Topology(Strict):
    """A lab as one data file."""

    name: Name
    summary: str = Field(max_length=200, description="one line for the help text")
    shows: str
    cannot_show: str
    memory_mib: int = Field(ge=64, description="what all of it needs together")
    disk_mib: int = Field(ge=1, description="free space that the images and overlays need")
    lans: tuple[IPv4Network, ...] = Field(description="IPv4 networks on the switch: whose announcements can be dropped")
    mgmt: IPv4Interface = IPv4Interface("192.168.77.1/24")
    nodes: dict[Name, Node]
    namespaces: dict[Name, Namespace] = Field(default_factory=dict)
    ssh: dict[Name, SshPath]
    upgrade: Upgrade | None = None
    inventory: dict[str, Any] = Field(
        description="an inventory without `ssh_config` and without `namespace` paths: those are known when it runs"
    )

    @model_validator(mode="after")
    def _references_exist(self) -> Topology:
        for name, node in self.nodes.items():
            if node.after is not None and node.after not in self.nodes:
                raise ValueError(f"nodes.{name}.after: there is no node '{node.after}'")
        if self.upgrade is not None:
            for key, wanted in (("node", self.upgrade.node), ("anew", self.upgrade.anew)):
                if wanted is not None and wanted not in self.nodes:
                    raise ValueError(f"upgrade.{key}: there is no node '{wanted}'")
        for name, path in self.ssh.items():
            if path.node not in self.nodes:
                raise ValueError(f"ssh.{name}.node: there is no node '{path.node}'")
            if path.jump is not None and path.jump not in self.ssh:
                raise ValueError(f"ssh.{name}.jump: there is no path '{path.jump}'")
            if path.inside is not None and path.inside not in self.namespaces:
                raise ValueError(f"ssh.{name}.inside: there is no namespace '{path.inside}'")
        return self

    @model_validator(mode="after")
    def _wires_are_distinct(self) -> Topology:
        taps = [port.tap for node in self.nodes.values() for port in node.nics.values()]
        taps += [space.tap for space in self.namespaces.values()]
        twice = sorted({tap for tap in taps if taps.count(tap) > 1})
        if twice:
            raise ValueError(f"used by two NICs: {', '.join(twice)}")
        return self


def is_name(text: str) -> bool:
    """Whether a lab, a node or a topology may be called that: it becomes part of paths and of host names."""
    return bool(_NAME.match(text))


def available() -> tuple[str, ...]:
    """Names of the topologies that come with the project, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def locate(name: str) -> Path:
    """The file of a topology: one of ours by its name, or any by a path that ends in .yaml. Raises `TopologyError`."""
    if name.endswith(".yaml"):
        return Path(name).absolute()
    if name not in available():
        raise TopologyError(f"there is no topology '{name}'; there is {', '.join(available())}")
    return FOLDER / f"{name}.yaml"


def load(name: str) -> Topology:
    """The topology of that name or path. Raises `TopologyError`."""
    path = locate(name)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TopologyError(f"{path}: {error.strerror}") from error
    return parse(text, source=path.name)


def parse(text: str, source: str) -> Topology:
    """A topology from YAML text; `source` names it in messages. Raises `TopologyError`."""
    try:
        return Topology.model_validate(_data(text, source))
    except InventoryError as error:
        raise TopologyError(error.problems[0]) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise TopologyError(f"{source}: {where}: {first['msg']}") from error


def _data(text: str, source: str) -> Any:
    """The plain data of a topology; with `extends: NAME` it says only what is other than in that one of ours."""
    data: Any = plain(source, text)
    if not isinstance(data, dict) or "extends" not in data:
        return data
    name = str(data.pop("extends"))
    path = locate(name)
    base: Any = plain(path.name, path.read_text(encoding="utf-8"))
    if "extends" in base:
        raise TopologyError(f"{source}: extends '{name}', which extends another itself; say what differs from that one")
    return _merged(base, data)


def _merged(base: Any, other: Any) -> Any:
    """Mappings key by key, where null takes a key away; of anything else, what `other` says."""
    if not isinstance(base, dict) or not isinstance(other, dict):
        return other
    both = {key: _merged(base.get(key), value) for key, value in other.items()}
    return {key: value for key, value in {**base, **both}.items() if value is not None or key not in other}
