"""`python -m door COMMAND ...`, as `./vfproof` starts it."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence

from door import demo, help, packages, runs, upgrade  # noqa: A004 - the door's help, not the shell's
from door.children import INTERRUPTED, run
from door.progress import say
from door.words import UsageError, Words, sort
from inventory.loading import InventoryError

USAGE = 4

RUNS: dict[str, Callable[[Words], int]] = {
    "demo": demo.demo,
    "check": runs.check,
    "drill": runs.drill,
    "test": runs.test,
    demo.INSIDE: demo.inside,
    upgrade.INSIDE: upgrade.inside,
}
# Commands that understand their own words, each a module of another room and its first words.
OTHERS = {
    "discover": ("checks.discover",),
    "sudoers": ("checks.sudoers",),
    "gather": ("checks.offline", "gather"),
    "anonymise": ("checks.offline", "anonymise"),
    "compare": ("checks.compare",),
}


def main(arguments: Sequence[str]) -> int:
    """Do what the words say; the exit status."""
    try:
        return _do(*arguments) if arguments else _help()
    except (UsageError, InventoryError, packages.Missing) as error:
        say(str(error))
        return USAGE
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED


def _do(command: str, *words: str) -> int:
    if command in {"-h", "--help", "help"}:
        return _help(*words)
    if command == "lab":
        return _lab(words)
    if command in OTHERS and not {"-h", "--help"} & set(words):
        return run(runs.python(*OTHERS[command], *words))
    if command not in {*RUNS, *OTHERS}:
        raise UsageError(_unknown(command))
    sorted_words = sort(words)
    if sorted_words.wants_help:
        return _help(command)
    return RUNS[command](sorted_words)


def _help(topic: str = "", *_: str) -> int:
    print(help.COMMANDS.get(topic, help.OVERVIEW), end="")
    return 0


def _lab(words: Sequence[str]) -> int:
    """Become the lab's own command: its console and its ssh want the terminal, the signals and the exit status."""
    if words[:1] in {("up",), ("run",)} and not {"-h", "--help"} & set(words):
        packages.provide(packages.LAB, "the embedded lab")
    command = runs.python("lab", *words)
    sys.stdout.flush()
    os.environ["VFPROOF_LAB_PROG"] = "./vfproof lab"  # what it calls itself in its help
    os.execv(command[0], command)  # noqa: S606 - that is the point


def _unknown(command: str) -> str:
    near = difflib.get_close_matches(command, help.COMMANDS, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no command {command!r}; {meant}the commands are {', '.join(help.COMMANDS)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
