"""`python -m checks.compare BEFORE AFTER`, as the door starts it. Exit status: 0 not worse, 1 worse, 4 wrong usage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from checks.compare.page import page
from checks.compare.runs import compare
from checks.compare.stored_run import NotARun
from checks.compare.told import lines

WORSE, USAGE = 1, 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"vfproof: compare: {message}; see ./vfproof compare --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="./vfproof compare", description="What changed between two runs, and whether it matters.")
    parser.add_argument("before", type=Path, metavar="BEFORE", help="folder of the earlier run")
    parser.add_argument("after", type=Path, metavar="AFTER", help="folder of the later run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON, too; - for standard output alone")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")
    return parser


def main(words: Sequence[str]) -> int:
    """Do what the words say; the exit status."""
    given = _parser().parse_args(words)
    try:
        found = compare(given.before, given.after)
        data = found.model_dump_json(indent=2) + "\n"
        if given.json is not None and str(given.json) == "-":
            sys.stdout.write(data)
        else:
            print("\n".join(lines(found)))
            if given.json is not None:
                given.json.write_text(data, encoding="utf-8")
        if given.html is not None:
            given.html.write_text(page(found), encoding="utf-8")
    except NotARun as problem:
        print(f"vfproof: compare: {problem}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"vfproof: compare: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    return WORSE if found.worse else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
