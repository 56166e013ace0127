"""`./vfproof anonymise`: bundles, and the inventory, with which nobody can tell whose they are; judged alike."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from checks.bundle import Bundle
from checks.offline.disguise import Disguise
from checks.offline.words import Unusable
from checks.sections import Section
from checks.stream import Envelope, read_file, sections, to_bytes
from inventory.loading import load
from inventory.model import Inventory
from inventory.writing import written
from reports.run_folder import NotAnEmptyFolder, RunFolder

_DOMAIN = re.compile(r"<name>([^<>\s]{1,255})</name>")
_HOME = re.compile(r"/home/([A-Za-z0-9_.-]{1,64})")
_HOSTNAME = re.compile(r"^/(?:proc/sys/kernel/hostname|etc/hostname):([A-Za-z0-9.-]{1,255})$", re.MULTILINE)
_SERIAL = re.compile(r"^/\S*serial[^:\s]*:(\S.{2,100})$", re.MULTILINE)


def anonymising(wanted: argparse.Namespace) -> int:
    """Do it. Raises Unusable, NotABundle, InventoryError."""
    files = [_read(Path(path)) for path in wanted.bundles]
    known = None if wanted.inventory is None else load(wanted.inventory)
    disguise = Disguise()
    for envelope, parts in files:
        disguise.learn("", [envelope.machine])
        for part in parts:
            text = part.payload.decode("latin-1")
            disguise.learn(text, _names_in(text))
    if known is not None:
        disguise.learn(_plain(known), _names_of(known))
    try:
        folder = RunFolder.at(Path(wanted.output))
    except NotAnEmptyFolder as error:
        raise Unusable(f"-o {error}") from None
    for envelope, parts in files:
        other = replace(envelope, machine=disguise.name(envelope.machine))
        raw = b"".join(_section(envelope.boundary, part, disguise) for part in parts)
        print(folder.path / folder.add(f"{other.machine}.vfb.gz", to_bytes(other, raw)))
    if known is not None:
        print(folder.path / folder.add("inventory.yaml", disguise.put_on(_plain(known)).encode()))
        load(folder.path / "inventory.yaml")
    return 0


def _read(path: Path) -> tuple[Envelope, Sequence[Section]]:
    """A bundle's parts; what is none is refused as it is everywhere. Raises NotABundle."""
    machine = Bundle.load(path).machine
    envelope, raw = read_file(path)
    return replace(envelope, machine=machine), tuple(sections(envelope.boundary, raw))


def _section(boundary: str, part: Section, disguise: Disguise) -> bytes:
    text = part.payload.decode("latin-1")
    if part.tag == "hex":
        changed = disguise.put_on_bytes(text)
    elif part.tag == "dirs":  # each record begins with a letter that is not part of the name
        changed = "\0".join(record[:1] + disguise.put_on(record[1:]) for record in text.split("\0"))
    else:
        changed = disguise.put_on(text)
    return f"\n{boundary} {part.tag} {part.number}\n".encode() + changed.encode("latin-1")


def _names_in(text: str) -> Iterator[str]:
    for pattern in (_DOMAIN, _HOME, _HOSTNAME, _SERIAL):
        for found in pattern.findall(text):
            yield found.strip()
            if pattern is _HOSTNAME:
                yield found.partition(".")[0]


def _words(schema: Any) -> Iterator[str]:
    """Every key and word of an inventory: a machine that is called `observer` cannot be told from the key."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (word for word in schema.get("enum", []) if isinstance(word, str))
        for part in schema.values():
            yield from _words(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _words(part)


def _names_of(known: Inventory) -> Iterator[str]:
    taken = set(_words(Inventory.model_json_schema()))
    for machines in (known.hosts, known.guests, known.observers):
        for name, machine in machines.items():
            parts = urlsplit(machine.connect or "")
            found = (name, parts.hostname, parts.username, getattr(machine, "domain", None))
            yield from (one for one in found if one is not None and one not in taken)


def _plain(known: Inventory) -> str:
    """The inventory as YAML, without comments, ways of connecting, and what people wrote."""
    value: dict[str, Any] = known.model_dump(mode="json", exclude_unset=True)
    for section in ("hosts", "guests", "observers"):
        for name, machine in value.get(section, {}).items():
            machine.pop("ssh_config", None)
            machine.pop("namespace", None)
            machine.pop("user_namespace", None)
            if "connect" in machine or section == "observers":
                machine["connect"] = f"ssh://{name}"
    for waiver in value.get("waivers", []):
        waiver |= {"reason": "left out", "by": "someone"}
    return written(value)
