"""netplan: how many VFs its YAML files ask for, per PF.

Sources: netplan 1.2 src/sriov.c, src/gen-sriov.c, netplan_cli/cli/sriov.py; doc/netplan-yaml.md, netplan-generate.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from checks.linux.sriov_nic import SriovNic
from checks.outcome import CouldNotLook
from inventory.nodes import MERGE, NULL, MappingNode, Node, NotYaml, ScalarNode, SequenceNode, compose

FOLDERS = ("/run/netplan", "/etc/netplan", "/usr/lib/netplan", "/lib/netplan")
"""The one whose file of a name replaces those of the same name, first."""
LIMIT_CHARACTERS = 32_768
LIMIT_BRACKETS = 200
LIMIT_VALUES = 10_000
LIMIT_DEPTH = 32
MOST = 256

Tree = dict[str, "Tree"] | str


@dataclass(frozen=True, slots=True)
class Netdef:
    """One `ethernets` entry. `count`: of VFs that it says; `vfs`: entries that are VFs of it. `paths`: its files."""

    name: str
    match: Mapping[str, str] | None
    set_name: str | None
    count: str | None
    vfs: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def wanted(self) -> int | None:
        """The number of VFs; None when it is no number."""
        if self.count is None:
            return len(self.vfs)
        return int(self.count) if self.count.isascii() and self.count.isdecimal() and len(self.count) < 6 else None


def reading_order(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that are read, by base name: one replaces those of its name in the folders after its own."""
    winners: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (_rank(path), path)):
        winners.setdefault(path.rpartition("/")[2], path)
    return tuple(path for _, path in sorted(winners.items()))


def _rank(path: str) -> int:
    folder = path.rpartition("/")[0]
    return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)


def netdefs(texts: Mapping[str, str]) -> tuple[Netdef, ...]:
    """Every `ethernets` entry that is about VFs, from the files in the order of reading. Raises CouldNotLook."""
    merged: dict[str, Tree] = {}
    paths: dict[str, list[str]] = {}
    for path, text in texts.items():
        tree = load(path, text)
        network = tree.get("network")
        ethernets = network.get("ethernets") if isinstance(network, dict) else None
        for name, entry in ethernets.items() if isinstance(ethernets, dict) else ():
            merged[name] = _merge(merged.get(name, {}), entry)
            paths.setdefault(name, []).append(path)
    vfs: dict[str, list[str]] = {}
    for name, entry in merged.items():
        if isinstance(entry, dict) and isinstance(pf := entry.get("link"), str):
            vfs.setdefault(pf, []).append(name)
    found = []
    for name, entry in merged.items():
        own = entry if isinstance(entry, dict) else {}
        count, match = own.get("virtual-function-count"), own.get("match")
        if count is None and name not in vfs:
            continue
        found.append(
            Netdef(
                name=name,
                match={k: v for k, v in match.items() if isinstance(v, str)} if isinstance(match, dict) else None,
                set_name=own["set-name"] if isinstance(own.get("set-name"), str) else None,  # type: ignore[arg-type]
                count=count if isinstance(count, str) else None,
                vfs=tuple(vfs.get(name, ())),
                paths=tuple(paths[name]),
            )
        )
    return tuple(found)


def is_for(netdef: Netdef, nic: SriovNic) -> bool | None:
    """Whether an entry means the PF; None when its `match` cannot be judged."""
    if netdef.match is None:
        return netdef.name in nic.names
    if netdef.set_name in nic.names:
        return True
    verdicts: list[bool | None] = []
    for key, value in netdef.match.items():
        if not value:
            verdicts.append(None)
        elif key == "name":
            verdicts.append(any(fnmatchcase(name, value) for name in nic.names))
        elif key == "macaddress":
            verdicts.append(value.lower() in {mac for mac in (nic.mac, nic.permanent_mac) if mac})
        elif key == "driver":
            verdicts.append(fnmatchcase(nic.driver, value))
    return False if False in verdicts else None if None in verdicts or not verdicts else True


def _merge(one: Tree, other: Tree) -> Tree:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return one | {key: _merge(one[key], value) if key in one else value for key, value in other.items()}


def load(path: str, text: str) -> dict[str, Tree]:
    """The mappings and scalars of one YAML file; lists are left out. Bounded in size, depth and number of values."""
    if len(text) > LIMIT_CHARACTERS:
        raise CouldNotLook(f"{path}: more than {LIMIT_CHARACTERS} characters; this is hardly a netplan file")
    if text.count("[") + text.count("{") > LIMIT_BRACKETS:
        raise CouldNotLook(f"{path}: more than {LIMIT_BRACKETS} brackets; this is hardly a netplan file")
    try:
        node = compose(text)
    except NotYaml as error:
        raise CouldNotLook(f"{path}: line {error.line} of what is read of it: {error}") from None
    tree = _Walk(path).tree(node, 0) if node is not None else {}
    return tree if isinstance(tree, dict) else {}


class _Walk:
    def __init__(self, path: str) -> None:
        self._path, self._values = path, 0

    def tree(self, node: Node, depth: int) -> Tree:
        self._values += 1
        if self._values > LIMIT_VALUES:
            raise CouldNotLook(f"{self._path}: more than {LIMIT_VALUES} values once its aliases are followed")
        if depth > LIMIT_DEPTH:
            raise CouldNotLook(f"{self._path}: nested more than {LIMIT_DEPTH} levels deep")
        if isinstance(node, SequenceNode):
            return ""
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        return "" if node.tag == NULL else node.text

    def _mapping(self, node: MappingNode, depth: int) -> Tree:
        merged: dict[str, Tree] = {}
        own: dict[str, Tree] = {}
        for key, value in node.pairs:
            if key.tag == MERGE:
                others = value.children if isinstance(value, SequenceNode) else [value]
                for other in others:
                    if isinstance(found := self.tree(other, depth + 1), dict):
                        merged = found | merged
                continue
            name = key.text if isinstance(key, ScalarNode) else ""
            if name in own:
                raise CouldNotLook(f"{self._path}: {name!r} stands there twice")
            own[name] = self.tree(value, depth + 1)
        return merged | own
