"""`./vfproof sudoers USER`: a sudoers file that lists what a gather needs of root, and nothing else."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from checks.as_root import SHELL, texts_of
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.source import Command, Source

USAGE = 4
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|%[A-Za-z_][A-Za-z0-9_.-]{0,31}|#[0-9]{1,10}")
_HEAD = """\
# What vfproof reads as root, for the user {user}: /etc/sudoers.d/vfproof, mode 0440. Check it with visudo -cf FILE.
# Each line is one whole command, as the gather runs it where the inventory has `sudo: true`; none of them writes, and
# none takes a word from the user. (Tabs part the words of each script: sudo cannot tell arguments with spaces apart.)
"""


def sudoers(user: str, sources: Sequence[Source]) -> str:
    """The text of the file. Raises ValueError for what is no user's name."""
    if not _USER.fullmatch(user):
        raise ValueError(f"{user!r} is no user; write a name, %group or #uid")
    parts = [_HEAD.format(user=user)]
    for source in sources:
        if texts := texts_of(source):
            parts.append(f"\n# {source.line if isinstance(source, Command) else source.path}\n")
            parts += [f"{user} ALL=(root) NOPASSWD: {SHELL} -c {escaped(text)}\n" for text in dict.fromkeys(texts)]
    return "".join(parts)


def escaped(text: str) -> str:
    """An argument as sudoers wants it: its own special characters, and those of the patterns that arguments are."""
    return "".join(_ESCAPES.get(character, character) for character in text)


# A backslash is one for sudoers' reader and one for the pattern.
_ESCAPES = {"\\": "\\\\\\\\", **{character: f"\\{character}" for character in "*?[]!^:,=#\t "}}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"vfproof: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


def main(words: Sequence[str]) -> int:
    """Print it; the exit status."""
    parser = _Parser(prog="./vfproof sudoers", add_help=False, allow_abbrev=False)
    parser.add_argument("user", metavar="USER")
    parser.add_argument("--guest", action="store_true")
    options = parser.parse_args(words)
    try:
        sys.stdout.write(sudoers(options.user, GUEST_SOURCES if options.guest else HOST_SOURCES))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
