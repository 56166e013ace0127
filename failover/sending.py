"""Probes: who sends them, and how well the schedule was kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from failover.frames import Tokens
from failover.observer import Program, Watcher
from failover.places import SCRIPTS, script

PING = "ping (there is no Python 3 that may open raw sockets)"


def start_probes(
    watcher: Watcher, addresses: Sequence[str], interval_ms: float, for_s: float, tokens: Tokens
) -> tuple[Program, ...]:
    """Numbered ICMP echo requests to addresses, one per interval and address, for so long at most.

    The guest needs nothing. Where the observer has a Python 3, one program of ours sends them all on a schedule that
    does not drift; elsewhere it is a `ping` per address, which waits for up to 10 ms more while nothing is answered.
    """
    if not watcher.python:
        return tuple(_ping(watcher, address, interval_ms, for_s, tokens) for address in addresses)
    words = [watcher.python, "-c", (SCRIPTS / "sender.py").read_text(), watcher.interface]
    words += [f"{interval_ms:g}", f"{for_s:.0f}", tokens.probe.decode(), *addresses]
    return (Program(watcher.place.start(script("supervise.sh", *words, sudo=watcher.sudo))),)


def _ping(watcher: Watcher, address: str, interval_ms: float, for_s: float, tokens: Tokens) -> Program:
    words = ["ping", "-n", "-q", "-i", f"{interval_ms / 1000:.4f}", "-w", f"{for_s:.0f}"]
    words += ["-p", tokens.probe.hex(), "-I", watcher.interface, address]
    return Program(watcher.place.start(script("supervise.sh", *words, sudo=watcher.sudo)))


def how_sent(watcher: Watcher, programs: Sequence[Program], interval_ms: float) -> str:
    """Who sent the probes and how punctually, for a person; for programs that have ended."""
    said = f"observer {watcher.name}: a probe every {interval_ms:g} ms by"
    if not watcher.python:
        return f"{said} {PING}: it keeps no schedule, and sends every 10 ms at most while nothing is answered"
    kept = kept_schedule("".join(program.output for program in programs))
    if kept is None:
        return f"{said} a sender of our own, which did not say how punctual it was"
    return (
        f"{said} a sender of our own: {kept['sent']} sent, {kept['skipped']} left out, {kept['late']} late by more "
        f"than half of that; half were within {kept['median_ms']:.2f} ms of their time, 99 % within "
        f"{kept['p99_ms']:.2f}, all within {kept['max_ms']:.2f}"
    )


def kept_schedule(output: str) -> dict[str, Any] | None:
    """What the sender said at its end: see `remote/sender.py`. None when it is not all there."""
    try:
        said = json.loads(output)
        return {key: float(said[key]) if key.endswith("_ms") else int(said[key]) for key in SCHEDULE}
    except (ValueError, KeyError, TypeError):
        return None


SCHEDULE = ("sent", "late", "skipped", "refused", "median_ms", "p99_ms", "max_ms")
