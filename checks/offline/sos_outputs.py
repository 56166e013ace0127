"""What sos's own commands printed, as answers to ours: the same line, the same text, or a part of it told apart.

A command that sos did not run, or whose output it cut off, is not answered. sos writes what a command complains into
the same file, so of a command that failed nothing but that is said.
Source: sos 4 sos/report/plugins/*.py (`add_cmd_output`) and its manifest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from checks.offline.sos_manifest import NO_PROGRAM, Manifest, Output
from checks.source import Command

_VIRSH, _THEIRS = "virsh -c qemu:///system", "virsh -r"
_DOMAINS = f"{_THEIRS} list --all"
_SHOWN = "systemctl show *service --all"
_ALL_OF = "systemctl show "
_MANAGER = re.compile(rb"^Manager: systemd (\d{1,4})\b", re.MULTILINE)
_STORED = "/etc/libvirt/qemu/"


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's output and exit status; with another than 0, `data` is what it complained."""

    data: bytes
    rc: int = 0


def answers(source: Command, manifest: Manifest, texts: Mapping[str, bytes]) -> dict[str, Answer] | None:
    """By full line what a source's command would have printed; None when the archive does not tell."""
    ran = _Ran(manifest, texts)
    if source.each_line_of is None and source.each_match_of is None:
        found = next(_alone(source.line, ran), None)
        return None if found is None else {source.line: found}
    if source.line == f"{_VIRSH} dumpxml --inactive":
        return _stored_domains(source.line, ran) if "libvirt" in manifest.plugins else None
    theirs = _as_sos_says(source.line)
    arguments = [line[len(theirs) + 1 :] for line in manifest.commands if line.startswith(f"{theirs} ")]
    each = {one: ran.said(f"{theirs} {one}") for one in arguments if not one.startswith("-")}
    # One that is missing is missing to whoever asks for all of them.
    return {f"{source.line} {one}": said for one, said in each.items() if said} if each and all(each.values()) else None


def _stored_domains(line: str, ran: _Ran) -> dict[str, Answer]:
    """Of sos's plugin libvirt, which copies the files of all domains; `dumpxml` of sos shows what runs."""
    files = {path[len(_STORED) :]: text for path, text in ran.texts.items() if path.startswith(_STORED)}
    return {
        f"{line} {name.removesuffix('.xml')}": Answer(text)
        for name, text in files.items()
        if name.endswith(".xml") and "/" not in name
    }


@dataclass(frozen=True, slots=True)
class _Ran:
    manifest: Manifest
    texts: Mapping[str, bytes]

    def said(self, line: str) -> Answer | None:
        """What a command of sos said; None when it did not run, or its output is not there whole."""
        output = self.manifest.commands.get(line)
        if output is None or not output.whole:
            return None
        return Answer(b"", NO_PROGRAM) if output.rc == NO_PROGRAM else self._read(output)

    def _read(self, output: Output) -> Answer | None:
        data = self.texts.get(output.path)
        return None if data is None else Answer(data, output.rc)

    def printed(self, line: str) -> bytes | None:
        """What a command printed that went well."""
        said = self.said(line)
        return said.data if said is not None and said.rc == 0 else None


def _as_sos_says(line: str) -> str:
    """sos asks libvirt's own default with a read-only connection; of the system's libvirt the answers are the same."""
    return line.replace(_VIRSH, _THEIRS, 1) if line.startswith(_VIRSH) else line


def _alone(line: str, ran: _Ran) -> Iterator[Answer]:
    """The answer to one line: as sos has it, or made of another command's output."""
    if (said := ran.said(_as_sos_says(line))) is not None:
        yield said
    makers: dict[str, Callable[[_Ran], bytes | None]] = {
        f"{_VIRSH} list --all --name": _domain_names,
        "udevadm --version": _systemd_version,
        "uname -m": _machine,
    }
    data = makers[line](ran) if line in makers else _of_units(line, ran) if line.startswith(_ALL_OF) else None
    if data is not None:
        yield Answer(data)


def _domain_names(ran: _Ran) -> bytes | None:
    """The column of names, between that of the ids and that of the states: names may hold blanks."""
    head, *rows = (ran.printed(_DOMAINS) or b"").decode("utf-8", "replace").splitlines() or [""]
    start, end = head.find("Name"), head.find("State")
    if start < 0 or end < 0:
        return None
    return "".join(f"{name}\n" for row in rows[1:] if (name := row[start:end].strip())).encode()


def _systemd_version(ran: _Ran) -> bytes | None:
    """udevd is built with the manager that this is the account of."""
    found = _MANAGER.search(ran.printed("systemd-analyze dump") or b"")
    return found[1] + b"\n" if found else None


def _machine(ran: _Ran) -> bytes | None:
    """uname(1): -a ends with the machine and the operating system, whatever else it knows of the processor."""
    words = (ran.printed("uname -a") or b"").split()
    return words[-2] + b"\n" if len(words) > 4 and words[-1] == b"GNU/Linux" else None


def _of_units(line: str, ran: _Ran) -> bytes | None:
    """The wanted properties of some services, out of all properties of all services that systemd has loaded."""
    data = ran.printed(_SHOWN)
    words = line.split()
    keys, units = set(re.findall(r"-p (\S+)", line)), {word for word in words if word.endswith(".service")}
    if data is None:
        return None
    found = []
    for block in data.decode("utf-8", "replace").split("\n\n"):
        rows = [row for row in block.splitlines() if row.partition("=")[0] in keys]
        if any(row == f"Id={unit}" for unit in units for row in rows):
            found.append("\n".join(rows))
    return ("\n\n".join(found) + "\n").encode()
