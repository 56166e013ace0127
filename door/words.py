"""The words of a command line, sorted: ours, pytest's options with their values, and the rest."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Options of pytest and of the plugins in constraints.txt that take their value as a word of its own (a test compares).
_WITH_VALUE = """
    -k -m -W -c -p -o -r -n --pythonwarnings --config-file --override-ini --report-chars --maxfail --max-warnings
    --ignore --ignore-glob --deselect --confcutdir --import-mode --rootdir --basetemp --durations --durations-min
    --verbosity --tb --show-capture --color --code-highlight --pdbcls --capture --pastebin --assert --junitxml
    --junit-xml --junitprefix --junit-prefix --doctest-report --doctest-glob --lfnf --last-failed-no-failures
    --log-level --log-format --log-date-format --log-cli-level --log-cli-format --log-cli-date-format --log-file
    --log-file-mode --log-file-level --log-file-format --log-file-date-format --log-auto-indent --log-disable
    --html --css --metadata-from-json --metadata-from-json-file --run-folder --only --bundles --baseline --switch-by
    --fault --repeat --hypothesis-profile --hypothesis-verbosity --hypothesis-seed --numprocesses --dist --runpytest
    --timeout --timeout-method --session-timeout --maxprocesses --max-worker-restart --maxschedchunk --tx --px
    --rsyncdir --rsyncignore --testrunuid --prometheus --reboot --processes
"""
WITH_VALUE = frozenset(_WITH_VALUE.split())
WITH_TWO_VALUES = frozenset({"--metadata"})
_INVENTORY = ("-i", "--inventory")


class UsageError(Exception):
    """The command line cannot be meant. The text is one sentence."""


@dataclass(slots=True)
class Words:
    """A sorted command line. `others` are names of machines or paths of tests: only an inventory can tell."""

    inventory: str | None = None
    options: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    wants_help: bool = False

    def value_of(self, option: str) -> str | None:
        """The last value given to one of pytest's options in the form of two words, or of `--option=value`."""
        return next(reversed(self.values_of(option)), None)

    def values_of(self, option: str) -> list[str]:
        """Every value given to it, in their order."""
        found = []
        for index, word in enumerate(self.options):
            if word == option and index + 1 < len(self.options):
                found.append(self.options[index + 1])
            elif word.startswith(f"{option}=") or (len(option) == 2 and word.startswith(option) and word != option):
                found.append(word[len(option) :].removeprefix("="))
        return found


def sort(words: Sequence[str]) -> Words:
    """Sort the words after the command. Raises `UsageError` when `-i` has no file."""
    found = Words()
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            found.others.extend(waiting)
        elif word in {"-h", "--help"}:
            found.wants_help = True
        elif word in _INVENTORY:
            found.inventory = next(waiting, None)
            if found.inventory is None:
                raise UsageError(f"{word} needs the name of an inventory file after it")
        elif word.startswith("--inventory="):
            found.inventory = word.partition("=")[2]
        elif word.startswith("-") and word != "-":
            found.options.extend([word, *_values(word, waiting)])
        else:
            found.others.append(word)
    return found


def _values(word: str, waiting: Iterator[str]) -> list[str]:
    """The words that belong to an option: as many as it takes, or as there are."""
    number = 2 if word in WITH_TWO_VALUES else int(word in WITH_VALUE or _ends_with_an_open_letter(word))
    return [value for value in (next(waiting, None) for _ in range(number)) if value is not None]


def _ends_with_an_open_letter(word: str) -> bool:
    """`-xk` is `-x -k`, whose value is the next word; `-rA` and `-kname` have theirs in them."""
    if word.startswith("--"):
        return False
    takers = [index for index, letter in enumerate(word) if index and f"-{letter}" in WITH_VALUE]
    return bool(takers) and takers[0] == len(word) - 1


def machines_and_paths(others: Sequence[str], known: Container[str], repository: Path) -> tuple[list[str], list[str]]:
    """Names of machines, and paths for pytest: files, folders, `file::test`, from here or from the repository's root.

    What is neither is taken for a name, of which the inventory then says that it has none like it.
    """
    names, paths = [], []
    for word in others:
        file = word.partition("::")[0]
        if word in known:
            names.append(word)
        elif Path(file).exists():
            paths.append(word)
        elif "/" in file and (repository / file).exists():
            paths.append(str(repository / word))
        elif "::" in word or "/" in word:
            raise UsageError(f"there is no file {file}, neither here nor in {repository}")
        else:
            names.append(word)
    return names, paths
