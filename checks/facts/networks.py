"""The networks of a host's libvirt: which there are, which are active, which of them hand out VFs.

Files and `virsh` are two ways to one truth, as in `checks.facts.libvirt`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts.pci import Pf
from checks.linux.libvirt_xml import LibvirtXmlError
from checks.linux.network_xml import KEEP, NetworkXml, read
from checks.outcome import CouldNotLook
from checks.source import Command, File, Names, Source

_STORED = "/etc/libvirt/qemu/networks"
_AUTOSTART = f"{_STORED}/autostart"
_RUNNING = "/run/libvirt/network"
_TABLE = "virsh -c qemu:///system net-list --all"
_LIST = "virsh -c qemu:///system net-list --all --name"
_DUMP = "virsh -c qemu:///system net-dumpxml"

SOURCES: tuple[Source, ...] = (
    Names(_STORED),
    Names(_AUTOSTART),
    Names(_RUNNING),
    File(f"{_STORED}/*.xml", keep=KEEP),
    File(f"{_RUNNING}/*.xml", keep=KEEP),
    Command(_TABLE, unless=_STORED),
    Command(_DUMP, each_line_of=_LIST, keep=KEEP, unless=_STORED),
)


@dataclass(frozen=True, slots=True)
class Network:
    """A network of libvirt. `autostart`: whether it is made active when libvirt starts."""

    name: str
    active: bool
    autostart: bool
    mode: str | None = None
    pf: str | None = None
    listed: tuple[str, ...] = ()
    vlans: tuple[int, ...] = ()

    @property
    def is_pool(self) -> bool:
        """Whether it hands out VFs."""
        return self.mode == "hostdev"

    def vfs(self, pfs: Iterable[Pf]) -> frozenset[str]:
        """PCI addresses of all VFs that it may hand out: those of its PF, or those that it lists."""
        if self.pf is None:
            return frozenset(self.listed) if self.is_pool else frozenset()
        return frozenset(vf.address for pf in pfs if self.pf in pf.netdevs for vf in pf.vfs)


def parse(bundle: Bundle) -> tuple[Network, ...]:
    """Every network of the system's libvirt, in name order; none where there is no libvirt.

    Source: libvirt src/network/bridge_driver.c (state in /run/libvirt/network), tools/virsh-network.c.
    Raises UnexpectedOutput for XML that is none, or hostile; the errors of both ways when neither could be read.
    """
    try:
        return _from_files(bundle)
    except UnexpectedOutput:
        raise
    except CouldNotLook as files:
        try:
            return _from_virsh(bundle)
        except UnexpectedOutput:
            raise
        except CouldNotLook as virsh:
            raise CouldNotLook(f"{files}; and {virsh}") from None


def _from_files(bundle: Bundle) -> tuple[Network, ...]:
    if bundle.names(_STORED) is None and bundle.names(_RUNNING) is None:
        return ()
    stored = [_read(bundle, text, path) for path, text in bundle.texts(f"{_STORED}/*.xml").items()]
    running = [_read(bundle, text, path) for path, text in bundle.texts(f"{_RUNNING}/*.xml").items()]
    by_itself = {name.removesuffix(".xml") for name in bundle.names(_AUTOSTART) or ()}
    active = {one.name for one in running}
    # What is active counts as it runs, as for domains: an edited network changes with its next start.
    merged = {one.name: one for one in [*stored, *running]}
    return tuple(_network(one, name in active, name in by_itself) for name, one in sorted(merged.items()))


def _from_virsh(bundle: Bundle) -> tuple[Network, ...]:
    table = bundle.output(_TABLE)
    if table is None:
        raise CouldNotLook(f"{bundle.machine}: there is no 'virsh' program")
    states = dict(_row(bundle, line) for line in table.splitlines()[2:] if line.strip())
    found = [_read(bundle, text, f"'{_DUMP} {name}'") for name, text in bundle.outputs(_DUMP).items()]
    return tuple(
        _network(one, *states.get(one.name, (False, False))) for one in sorted(found, key=lambda one: one.name)
    )


def _row(bundle: Bundle, line: str) -> tuple[str, tuple[bool, bool]]:
    """One line of the table: name, state, autostart, persistent. Only the name may hold blanks."""
    words = line.strip().rsplit(None, 3)
    if len(words) != 4:
        raise UnexpectedOutput(f"{bundle.machine}: '{_TABLE}' printed {line[:60]!r}")
    return words[0], (words[1] == "active", words[2] == "yes")


def _network(xml: NetworkXml, active: bool, autostart: bool) -> Network:  # noqa: FBT001 - the table's two columns
    return Network(xml.name, active, autostart, xml.mode, xml.pf, xml.addresses, xml.vlans)


def _read(bundle: Bundle, text: str, where: str) -> NetworkXml:
    try:
        return read(text)
    except LibvirtXmlError as error:
        raise UnexpectedOutput(f"{bundle.machine}: {where}: {error}") from None
