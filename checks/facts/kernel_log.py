"""What the kernel, udev and the network services said of SR-IOV since the boot: evidence, and the cause of faults.

The journal holds more than the kernel's ring buffer, which forgets; each stands in for the other. Nothing is decided by
a log that may not be read: `unread` then says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts.known import attempt
from checks.facts.pci import Pf
from checks.linux.kernel_messages import DROP, KEEP, START, Cause, Topic, cause_of
from checks.outcome import CouldNotLook
from checks.source import Command, Source

_UNITS = ("systemd-udevd", "systemd-networkd", "NetworkManager")
JOURNAL = "journalctl -b -q --no-pager --no-hostname -o short-monotonic _TRANSPORT=kernel" + "".join(
    f" + _SYSTEMD_UNIT={unit}.service" for unit in _UNITS
)
DMESG = "dmesg"

SOURCES: tuple[Source, ...] = (
    # A journal with months of firewall messages may take longer; the ring buffer then has to do.
    Command(JOURNAL, keep=KEEP, drop=DROP, timeout_s=5),
    Command(DMESG, keep=KEEP, drop=DROP),
)

_LINE = re.compile(r"\[ *(\d{1,12}\.\d{1,9})\] (.{1,2000})")
_ORIGIN = re.compile(r"([A-Za-z0-9_-]{1,40})(?:\[\d{1,10}\])?: (.*)")
_ADDRESS = re.compile(r"\b(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[01][0-9a-f]\.[0-7])\b", re.IGNORECASE)
_MOST = 20_000
_QUOTED = 160


@dataclass(frozen=True, slots=True)
class Message:
    """One message, however often it came. `seconds`: from boot to the last time. `addresses`: PCI functions in it."""

    seconds: float
    text: str
    cause: Cause
    addresses: frozenset[str]
    times: int = 1

    def __str__(self) -> str:
        text = self.text if len(self.text) <= _QUOTED else f"{self.text[:_QUOTED]}…"
        often = f", {self.times} times in all" if self.times > 1 else ""
        return f"{text!r} ({self.seconds:.0f} s after the boot{often})"

    def concerns(self, pf: Pf) -> bool:
        """Whether it names the PF, one of its VFs, or one of their interfaces."""
        if self.addresses:
            return bool(self.addresses & {pf.address, *(vf.address for vf in pf.vfs)})
        names = {*pf.netdevs, *(vf.netdev for vf in pf.vfs if vf.netdev)}
        return bool(names & set(re.findall(r"[^\s:,'\"()]+", self.text)))


@dataclass(frozen=True, slots=True)
class KernelLog:
    """Every message of a known kind, in order of time.

    `unread`: why nothing of the log is known; None when something is. `since_boot`: whether it reaches back that far.
    """

    messages: tuple[Message, ...]
    unread: str | None = None
    since_boot: bool = True

    def about(self, pf: Pf, topics: Collection[Topic]) -> tuple[Message, ...]:
        """The messages on one of the topics that concern the PF."""
        return tuple(one for one in self.messages if one.cause.topic in topics and one.concerns(pf))

    def why(self, pf: Pf, *topics: Topic) -> str:
        """The last such message as a clause for a sentence, with what it means and what to do; empty without one."""
        found = self.about(pf, topics)
        if not found:
            return ""
        last = found[-1]
        return f"; the log says {last}: {last.cause.meaning}; to mend it, {last.cause.fix}"


NOTHING = KernelLog(())


def parse(bundle: Bundle) -> KernelLog:
    """What the log says of SR-IOV. Raises nothing: a log that cannot be read explains nothing."""
    journal = attempt(lambda: bundle.output(JOURNAL))
    ring = attempt(lambda: bundle.output(DMESG))
    lines = _lines(journal, journal=True)
    if _reaches_back(journal):
        return KernelLog(_messages(lines))
    # No kernel in this journal, or this user sees only his own.
    messages = _messages([*lines, *_lines(ring, journal=False)])
    return KernelLog(messages, _unread(journal, ring), since_boot=_reaches_back(ring))


def _reaches_back(text: str | CouldNotLook | None) -> bool:
    return isinstance(text, str) and re.search(START, text) is not None


def _unread(journal: str | CouldNotLook | None, ring: str | CouldNotLook | None) -> str | None:
    if isinstance(ring, str):  # what it has forgotten, `since_boot` tells
        return None
    problems = [str(one) for one in (journal, ring) if isinstance(one, CouldNotLook)]
    return "; ".join(problems) or "there is neither 'dmesg' nor a journal of the kernel"


def _lines(text: str | CouldNotLook | None, *, journal: bool) -> list[tuple[float, str]]:
    if not isinstance(text, str):
        return []
    found = []
    for line in text.splitlines()[:_MOST]:
        if (parts := _LINE.match(line)) is None:
            continue
        said = parts.group(2)
        origin = _ORIGIN.match(said) if journal else None
        if origin is not None:
            said = origin.group(2) if origin.group(1) == "kernel" else said
        found.append((float(parts.group(1)), said))
    return found


def _messages(lines: Iterable[tuple[float, str]]) -> tuple[Message, ...]:
    found: dict[str, Message] = {}
    for seconds, text in lines:
        cause = cause_of(text)
        if cause is None:
            continue
        before = found.pop(text, None)
        times = before.times + 1 if before else 1
        found[text] = Message(seconds, text, cause, _addresses(text), times)
    return tuple(sorted(found.values(), key=lambda one: one.seconds))


def _addresses(text: str) -> frozenset[str]:
    """PCI addresses; the IOMMU drivers leave out domain 0000."""
    return frozenset(f"{domain or '0000'}:{rest}".lower() for domain, rest in _ADDRESS.findall(text))
