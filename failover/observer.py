"""The neighbour that watches: what it can do, its probes, its own neighbour entries.

CouldNotMeasure
  ObserverNotReady        the observer lacks an interface, an address, a program or a right
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface
from typing import Any, BinaryIO

from checks.local import LocalConnection
from failover.bond_state import parse_lines
from failover.capture import Capture, capture_filter
from failover.frames import Tokens
from failover.places import CouldNotMeasure, Place, Process, script
from failover.result import NeighbourMove
from failover.timeline import Announced, Scene, Switched

LOOK_DEADLINE_S = 20


class ObserverNotReady(CouldNotMeasure):
    """The observer lacks an interface, an address, a program or a right."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """An observer that has been looked at and can watch."""

    name: str
    place: Place
    interface: str
    sudo: bool
    networks: tuple[str, ...]
    """Its own addresses with their prefix lengths."""
    vlans: frozenset[int]
    """VLAN ids of its own VLAN interfaces over `interface`."""
    python: str = ""
    """A Python 3 there that may open raw sockets; empty where there is none."""

    def address_towards(self, address: str) -> str | None:
        """Its own address on the network of this one; None when it has none there."""
        other = ip_address(address)
        for text in self.networks:
            own = ip_interface(text)
            if own.version == other.version and other in own.network and not own.is_link_local:
                return str(own.ip)
        return None

    def probed(self, announced: Sequence[Announced]) -> tuple[str, ...]:
        """The guest's addresses to probe: the first IPv4 and the first IPv6 one on a network of its own."""
        near = [each for each in announced if each.vlan < 0 and self.address_towards(each.address)]
        firsts = {each.by: each.address for each in reversed(near)}
        return tuple(firsts[by] for by in ("GARP", "NA") if by in firsts)

    def capture(self, addresses: Sequence[str], tokens: Tokens, evidence: BinaryIO) -> Capture:
        """A capture that has begun to start."""
        terms = capture_filter(addresses)
        return Capture(self.place, self.interface, terms, tokens, evidence, sudo=self.sudo)


def look(name: str, place: Place, interface: str, *, sudo: bool) -> Watcher:
    """Look at the observer. Raises `ObserverNotReady`, or what its connection raises."""
    python = sys.executable if isinstance(place.connection, LocalConnection) else "python3"
    said = parse_lines(place.run(script("observer_state.sh", interface, python, sudo=sudo), LOOK_DEADLINE_S))
    for program, package in (("ip", "iproute2"), ("tcpdump", "tcpdump"), ("ping", "iputils-ping")):
        if program not in said and not (program == "ping" and "python" in said):
            raise ObserverNotReady(f"observer {name}: has no {program} (Debian's package {package})")
    try:
        links = json.loads(said.get("addresses") or "[]")
        up = "UP" in links[0]["flags"] if links else False
        networks = _networks(links[0]) if links else ()
        vlans = _vlans(interface, json.loads(said.get("vlans") or "[]"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ObserverNotReady(f"observer {name}: what `ip` says cannot be understood: {error!r}") from error
    if not links:
        raise ObserverNotReady(f"observer {name}: there is no interface {interface}")
    if not up:
        raise ObserverNotReady(f"observer {name}: interface {interface} is down")
    return Watcher(name, place, interface, sudo, networks, vlans, said.get("python", ""))


def _networks(link: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{each['local']}/{each['prefixlen']}" for each in link.get("addr_info", []))


def _vlans(interface: str, links: list[dict[str, Any]]) -> frozenset[int]:
    return frozenset(
        int(link["linkinfo"]["info_data"]["id"])
        for link in links
        if link.get("link") == interface and "info_data" in link.get("linkinfo", {})
    )


class Program:
    """One of our programs on the observer, its words collected as they come."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._words = {"out": "", "err": ""}
        self._threads = [
            threading.Thread(target=self._read, args=(stream, key), name=f"observer's {key}", daemon=True)
            for stream, key in ((process.stdout, "out"), (process.stderr, "err"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._words["out"]

    @property
    def complaint(self) -> str:
        """The last line that it complained."""
        lines = self._words["err"].strip().splitlines()
        return lines[-1] if lines else ""

    def stop(self, deadline_s: float = 5) -> None:
        """End it, and wait until all its words are here."""
        self._process.end()
        for thread in self._threads:
            thread.join(deadline_s)
        self._process.close()

    def _read(self, stream: Any, key: str) -> None:
        for line in stream:
            self._words[key] += line.decode(errors="replace")


def watch_neighbours(watcher: Watcher) -> Program:
    """Print the observer's neighbour entries, and each change of them by its own clock. Reads only."""
    body = script("neighbour.sh", watcher.interface).decode()
    return Program(watcher.place.start(script("supervise.sh", "sh", "-c", body)))


def moved(output: str, address: str, scene: Scene, switched: Switched) -> NeighbourMove:
    """What `neighbour.sh` saw of one entry around one switch."""
    before = after = ""
    changes: list[tuple[float, str]] = []
    for at_ns, mac in _entries(output, address):
        if at_ns <= switched.at_ns:
            before = mac or before
        elif mac and mac != after:
            changes.append(((at_ns - switched.at_ns) / 1e6, mac))
        after = mac or after
    moved_after_ms = next((ms for ms, mac in changes if mac == scene.new_mac), None)
    return NeighbourMove(address, before, after, moved_after_ms, tuple(changes))


def latest_mac(output: str, address: str) -> str:
    """The last MAC that `neighbour.sh` printed for an address; empty when it never had one."""
    return next((mac for _, mac in reversed(_entries(output, address)) if mac), "")


def latest_lines(output: str, addresses: Sequence[str]) -> str:
    """As much of what `neighbour.sh` printed as tells the last entries of these addresses."""
    kept: dict[str, str] = {}
    for line in output.splitlines(keepends=True):
        entry = line.rpartition("] ")[2].split()
        if line.startswith("now ["):
            kept[""] = line
        elif entry[:1] and entry[0] in addresses and "lladdr" in entry:
            kept[entry[0]] = line
    return "".join(kept.values())


def _entries(output: str, address: str) -> list[tuple[int, str]]:
    """Time and MAC of every entry of an address; a MAC is empty while it has none (INCOMPLETE, FAILED, deleted).

    `ip -ts` prints UTC without saying so; entries that were there at the start have the time of the start.
    """
    found, at_ns = [], 0
    for line in output.splitlines():
        stamp, bracket, entry = line.rpartition("] ")
        if bracket or line.startswith("now ["):
            at_ns = _ns((stamp if bracket else line).partition("[")[2].rstrip("]"))
        words = entry.split()
        if words[:1] == [address] or words[:2] == ["Deleted", address]:
            known = "lladdr" in words[:-1] and words[0] != "Deleted"
            found.append((at_ns, words[words.index("lladdr") + 1].lower() if known else ""))
    return found


def _ns(stamp: str) -> int:
    """A time such as `2026-11-22T15:47:01.123456`, UTC, in ns since 1970."""
    whole, _, fraction = stamp.partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])
