"""The machines that both of two runs looked at: what each was, and everything about them that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.compare.causes import Cause, moved
from checks.compare.changes import Change, changes, identities
from checks.compare.features import Features, Section
from checks.compare.identity import NicIdentity, with_their_vfs
from checks.compare.kept import MachineFeatures
from checks.compare.stored_run import StoredRun
from checks.outcome import CouldNotLook

# A guest's NICs are where its host's libvirt and QEMU put them, and what its host's driver and firmware make them.
_OF_THE_HOST = frozenset[Cause]({"libvirt", "QEMU", "driver", "firmware"})
Found = MachineFeatures | CouldNotLook


@dataclass(frozen=True, slots=True)
class MachinesOfBoth:
    """Their features in both runs, by the name of the bundle's file; `moved`: what has another version on each."""

    machines: Mapping[str, str]
    before: Mapping[str, Found]
    after: Mapping[str, Found]
    hosts: Mapping[str, str]
    moved: Mapping[str, frozenset[Cause]]

    @classmethod
    def of(cls, old: StoredRun, new: StoredRun) -> MachinesOfBoth:
        """Read them."""
        names = [name for name in old.bundles if name in new.bundles]
        before = {name: old.features(name) for name in names}
        after = {name: new.features(name) for name in names}
        has_moved: dict[str, frozenset[Cause]] = {}
        for name in names:
            machine = old.bundles[name]
            has_moved[machine] = has_moved.get(machine, frozenset()) | moved(_known(before[name]), _known(after[name]))
        hosts = old.host_of | new.host_of
        for guest in has_moved.keys() & hosts.keys():
            has_moved[guest] |= has_moved.get(hosts[guest], frozenset()) & _OF_THE_HOST
        return cls(old.bundles, before, after, hosts, has_moved)

    def changes(self) -> Iterator[Change]:
        """Every change of every machine."""
        for name in self.before:
            old, new, machine = self.before[name], self.after[name], self.machines[name]
            if isinstance(old, CouldNotLook) or isinstance(new, CouldNotLook):
                yield from changes(machine, {"bundle": _or_read(old)}, {"bundle": _or_read(new)}, frozenset())
                continue
            yield from changes(machine, _parts(old), _parts(new), self.moved[machine])
            yield from identities(
                machine,
                self._nics(name, self.before),
                self._nics(name, self.after),
                self.moved[machine],
                self._behind(machine),
            )

    def _behind(self, machine: str) -> frozenset[Cause]:
        return self.moved.get(self.hosts.get(machine, machine), frozenset())

    def _nics(self, name: str, side: Mapping[str, Found]) -> Sequence[NicIdentity] | CouldNotLook:
        own, host = _nics(side[name]), side.get(self.hosts.get(self.machines[name], ""))
        return own if isinstance(own, CouldNotLook) or host is None else with_their_vfs(own, _nics(host))


def _nics(found: Found) -> Sequence[NicIdentity] | CouldNotLook:
    if isinstance(found, CouldNotLook):
        return found
    return CouldNotLook(found.nics) if isinstance(found.nics, str) else found.nics


def _or_read(found: Found) -> Features | CouldNotLook:
    return found if isinstance(found, CouldNotLook) else {}


def _known(found: Found) -> dict[str, Features]:
    if isinstance(found, CouldNotLook):
        return {}
    return {name: part for name, part in _parts(found).items() if not isinstance(part, CouldNotLook)}


def _parts(found: MachineFeatures) -> dict[str, Section]:
    parts = ((name, found.section(name)) for name in found.sections)
    return {name: part for name, part in parts if part is not None}
