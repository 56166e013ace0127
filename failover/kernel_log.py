"""What the kernel of a guest or host logged while it was drilled: evidence, never judged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from checks.outcome import CouldNotLook
from failover.places import Place, script

SCRIPT_DEADLINE_S = 30
MOST_LINES = 300
LONGEST_LINE = 300
MOST_NOTED = 12
_STAMPED = re.compile(r"\[ *([0-9]{1,12}\.[0-9]{1,9})\] ?(.*)")


@dataclass(frozen=True, slots=True)
class Logged:
    """The lines of one machine's kernel log, from the beginning of a drill to its end."""

    machine: str
    lines: tuple[str, ...] = ()
    """Each with its time in s since the machine's boot; that clock is no other's."""
    why_not: str = ""
    """Why there are none, or not all."""
    about: tuple[str, ...] = ()
    """The bond, slaves, PFs of this machine that the drill is about."""

    @property
    def telling(self) -> tuple[str, ...]:
        """The lines in which any of these stands."""
        names = [re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])") for name in self.about]
        return tuple(line for line in self.lines if any(name.search(line) for name in names))


@dataclass(slots=True)
class KernelLog:
    """A machine's kernel log, begun before a drill. Nothing here raises: a log that cannot be read is said so."""

    machine: str
    place: Place
    sudo: bool
    about: tuple[str, ...]
    """Names whose lines tell something of the drill."""
    _newest: float = field(default=-1.0, init=False)
    _why_not: str = field(default="", init=False)

    def begin(self) -> None:
        """Remember which line is the newest."""
        lines, self._why_not = self._read(1)
        self._newest = max((at for at, _ in lines), default=-1.0)

    def end(self) -> Logged:
        """Every line since."""
        if self._why_not:
            return Logged(self.machine, (), self._why_not, self.about)
        lines, why_not = self._read(MOST_LINES)
        fresh = [(at, text) for at, text in lines if at > self._newest]
        if len(fresh) == MOST_LINES:
            why_not = f"only the last {MOST_LINES} lines were kept"
        return Logged(self.machine, tuple(f"[{at:.6f}] {text}" for at, text in fresh), why_not, self.about)

    def _read(self, most: int) -> tuple[list[tuple[float, str]], str]:
        try:
            return parse(self.place.run(script("kernel_log.sh", str(most), sudo=self.sudo), SCRIPT_DEADLINE_S))
        except CouldNotLook as problem:
            return [], f"the kernel log could not be read: {problem}"


def parse(text: str, most: int = MOST_LINES) -> tuple[list[tuple[float, str]], str]:
    """Lines with their times, and why there are none. Lines without a time belong to nobody and are left out."""
    found: list[tuple[float, str]] = []
    for line in text.splitlines()[: most + 1]:
        if line.startswith("denied="):
            return [], f"the kernel log may not be read: {_shown(line.removeprefix('denied='))}"
        if stamped := _STAMPED.match(line):
            found.append((float(stamped[1]), _shown(stamped[2])))
    return found, ""


def told(logs: Iterable[Logged]) -> list[str]:
    """Everything, for the drill's protocol."""
    lines = []
    for log in logs:
        lines.append(f"kernel log of {log.machine}, by its own clock: {log.why_not or f'{len(log.lines)} lines'}")
        lines += [f"  {line}" for line in log.lines]
    return lines


def noted(logs: Sequence[Logged]) -> list[str]:
    """The lines that tell of the bond, its slaves and their PFs, the first ones, for a row of the report."""
    found = [f"{log.machine}'s kernel: {line}" for log in logs for line in log.telling]
    more = len(found) - MOST_NOTED
    if more > 0:
        found[MOST_NOTED:] = [f"and {more} more such lines of kernel logs (see what the drill found)"]
    found += [
        f"{log.machine}'s kernel said nothing of {', '.join(log.about)} meanwhile"
        for log in logs
        if not log.telling and not log.why_not
    ]
    return found + [f"{log.machine}: {log.why_not}" for log in logs if log.why_not]


def _shown(text: str) -> str:
    printable = "".join(each if each.isprintable() else "?" for each in text)
    return printable if len(printable) <= LONGEST_LINE else f"{printable[:LONGEST_LINE]}…"
