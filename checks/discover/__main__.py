"""`python -m checks.discover`, as `./vfproof discover` starts it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import TypeAdapter, ValidationError

from checks.discover.document import inventory_text
from checks.discover.machine import SOURCES, Asked, Machine, Way
from checks.gather import Order, gather_all
from checks.outcome import CouldNotLook
from inventory.loading import InventoryError, load
from inventory.model import Host
from inventory.values import Connection

USAGE, NOT_ALL_SEEN = 4, 6


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _say(message)
        raise SystemExit(USAGE)


def main(words: Sequence[str]) -> int:
    """Look at the machines and print an inventory of them; the exit status."""
    options = _options(words)
    way = Way(str(Path(options.ssh_config).expanduser().resolve()) if options.ssh_config else None, options.sudo)
    if way.ssh_config is not None and not Path(way.ssh_config).is_file():
        _say(f"--ssh-config: there is no file {way.ssh_config}")
        return USAGE
    try:
        named = [*(Asked(_connection(word)) for word in options.machines), *map(_guest, options.guest)]
    except ValueError as error:
        _say(str(error))
        return USAGE
    asked = list(dict.fromkeys(named))
    machines = _looked_at(asked, way)
    if not machines:
        return NOT_ALL_SEEN
    text = inventory_text(machines, way)
    if not _loads(text):
        return NOT_ALL_SEEN
    sys.stdout.write(text)
    for machine in machines:
        for sentence in machine.unknown:
            _say(f"{machine.name}: {sentence}")
    return NOT_ALL_SEEN if len(machines) < len(asked) or any(one.unknown for one in machines) else 0


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="./vfproof discover", allow_abbrev=False, add_help=False)
    parser.add_argument("machines", nargs="*", metavar="ssh://root@HOST")
    parser.add_argument("--guest", action="append", default=[], metavar="NAME=ssh://root@GUEST")
    parser.add_argument("--ssh-config", metavar="FILE")
    parser.add_argument("--sudo", action="store_true")
    options = parser.parse_args(words)
    if not options.machines and not options.guest:
        parser.error("discover needs a machine to look at, such as ssh://root@kvm-01")
    return options


def _connection(word: str) -> str:
    """The word as the inventory takes it. Raises ValueError with one sentence."""
    try:
        return TypeAdapter(Connection).validate_python(word)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{word!r}: {said}") from None


def _guest(word: str) -> Asked:
    name, equals, connect = word.partition("=")
    if not equals or not name:
        raise ValueError(f"--guest {word!r}: write NAME=ssh://root@guest, with libvirt's name of the guest")
    return Asked(_connection(connect), domain=name)


def _looked_at(asked: Sequence[Asked], way: Way) -> list[Machine]:
    """All of them at once; a sentence for each that cannot be looked at."""
    machine = {one: Host(connect=one.connect, ssh_config=way.ssh_config, sudo=way.sudo) for one in asked}
    orders = [Order(one.connect, machine[one], SOURCES, str(number)) for number, one in enumerate(asked)]
    gathers = gather_all(orders, None)
    found = []
    try:
        for number, one in enumerate(asked):
            try:
                found.append(Machine(one, gathers.bundle(str(number))))
            except CouldNotLook as error:
                _say(str(error))
    finally:
        gathers.close()
    return found


def _loads(text: str) -> bool:
    """Whether the text is an inventory. What a machine answers could make it none, and then nothing is printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            load(file.name)
        except InventoryError as error:
            _say("what these machines answer makes no inventory that loads:\n" + str(error).replace(file.name, "line"))
            return False
    return True


def _say(sentence: str) -> None:
    print("\n".join(f"vfproof: {line}" for line in sentence.splitlines()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
