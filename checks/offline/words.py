"""What is wanted of `./vfproof gather` and `./vfproof anonymise`. The door's help describes both."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

USAGE = 4


class Unusable(Exception):  # noqa: N818 - the command line is, in the words of the sentence
    """The command line, or a file that it names, cannot be used. The text is one sentence."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Unusable(f"{self.prog}: {message}")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The words, taken apart. Raises Unusable."""
    parser = _Parser(prog="./vfproof", add_help=False, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    gather = commands.add_parser("gather", prog="./vfproof gather", add_help=False, allow_abbrev=False)
    gather.add_argument("names", nargs="*", metavar="NAME")
    gather.add_argument("-i", "--inventory", metavar="FILE")
    gather.add_argument("-o", "--output", metavar="DIR", default="bundles")
    gather.add_argument("--script", choices=("host", "guest"))
    anonymise = commands.add_parser("anonymise", prog="./vfproof anonymise", add_help=False, allow_abbrev=False)
    anonymise.add_argument("bundles", nargs="+", metavar="BUNDLE")
    anonymise.add_argument("-i", "--inventory", metavar="FILE")
    anonymise.add_argument("-o", "--output", metavar="DIR", required=True)
    return parser.parse_args(words)
