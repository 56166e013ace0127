"""The domains of a host's libvirt: what is stored of them, what runs, which VFs they get and where in the guest.

Files are the cheap way (mode 0600, so root's); `virsh` is the way of a user in the group libvirt. Either is enough.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts.known import attempt
from checks.linux.domain_xml import KEEP, Definition, DomainXml, read
from checks.linux.libvirt_xml import LibvirtXmlError
from checks.linux.nic_names import Layout
from checks.outcome import CouldNotLook
from checks.source import Command, File, Names, Source

_STORED = "/etc/libvirt/qemu"
_RUNNING = "/run/libvirt/qemu"
_AUTOSTART = "/etc/libvirt/qemu/autostart"
_LIST = "virsh -c qemu:///system list --all --name"
_DUMP = "virsh -c qemu:///system dumpxml"
_DUMP_STORED = "virsh -c qemu:///system dumpxml --inactive"

SOURCES: tuple[Source, ...] = (
    Names(_STORED),
    Names(_RUNNING),
    Names(_AUTOSTART),
    File(f"{_STORED}/*.xml", keep=KEEP),
    File(f"{_RUNNING}/*.xml", keep=KEEP),
    Command(_LIST, unless=_STORED),
    Command(_DUMP, each_line_of=_LIST, keep=KEEP, unless=_STORED),
    Command(_DUMP_STORED, each_line_of=_LIST, keep=KEEP, unless=_STORED),
)


@dataclass(frozen=True, slots=True)
class Domain:
    """A guest as libvirt knows it. `stored` is None for a transient one, `live` for one that does not run.

    `state`: libvirt's word (running, paused, ...) as far as it can be read; "shut off" when it does not run.
    `autostart`: libvirt starts it by itself; None where that cannot be read.
    """

    name: str
    state: str
    stored: Definition | None = None
    live: Definition | None = None
    autostart: bool | None = None

    @property
    def versions(self) -> tuple[tuple[str, Definition], ...]:
        """What runs and what is stored, each with its word for a person."""
        both = (("running", self.live), ("stored", self.stored))
        return tuple((kind, definition) for kind, definition in both if definition is not None)

    @property
    def running(self) -> bool:
        """Whether it has its devices now."""
        return self.live is not None

    @property
    def current(self) -> Definition:
        """What counts now: the live definition, or the stored one of a domain that does not run."""
        found = self.live or self.stored
        return found if found is not None else Definition((), (), Layout(""))


def parse(bundle: Bundle) -> tuple[Domain, ...]:
    """Every domain of the system's libvirt, in name order; none where there is no libvirt.

    Source: libvirt docs/formatdomain.rst; src/conf/domain_conf.c (the files in /run hold <domstatus>).
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


def find(domains: tuple[Domain, ...], name: str) -> Domain | None:
    """The domain of that name."""
    return next((domain for domain in domains if domain.name == name), None)


def _from_files(bundle: Bundle) -> tuple[Domain, ...]:
    if bundle.names(_STORED) is None and bundle.names(_RUNNING) is None:
        return ()
    stored = [_read(bundle, text, path) for path, text in bundle.texts(f"{_STORED}/*.xml").items()]
    running = [_read(bundle, text, path) for path, text in bundle.texts(f"{_RUNNING}/*.xml").items()]
    return _joined(bundle, stored, running)


def _from_virsh(bundle: Bundle) -> tuple[Domain, ...]:
    if bundle.output(_LIST) is None:
        raise CouldNotLook(f"{bundle.machine}: there is no 'virsh' program")
    found = [_read(bundle, text, f"'{_DUMP} {name}'") for name, text in bundle.outputs(_DUMP).items()]
    stored = [_read(bundle, text, f"'{_DUMP_STORED} {name}'") for name, text in bundle.outputs(_DUMP_STORED).items()]
    return _joined(bundle, stored, [one for one in found if one.has_id])


def _read(bundle: Bundle, text: str, where: str) -> DomainXml:
    try:
        return read(text)
    except LibvirtXmlError as error:
        raise UnexpectedOutput(f"{bundle.machine}: {where}: {error}") from None


def _joined(bundle: Bundle, stored: list[DomainXml], running: list[DomainXml]) -> tuple[Domain, ...]:
    defined = {one.name: one.definition for one in stored}
    live = {one.name: one for one in running}
    links = attempt(lambda: bundle.names(_AUTOSTART) or ())
    found = []
    for name in sorted(defined.keys() | live.keys()):
        by_itself = None if isinstance(links, CouldNotLook) else f"{name}.xml" in links
        one = live.get(name)
        state = "shut off" if one is None else one.state or "running"
        found.append(Domain(name, state, defined.get(name), one.definition if one else None, by_itself))
    return tuple(found)
