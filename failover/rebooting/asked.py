"""A machine that is asked how far its boot is, again and again, also while it is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

from checks.connection import Connection, Deadline, TransportTrouble
from checks.outcome import CouldNotLook
from checks.ways import Machine, reach
from failover.places import Place, script
from failover.rebooting import since_boot
from failover.rebooting.coming_back import ComingBack
from failover.rebooting.since_boot import SinceBoot

AGAIN_S = 2.0
"""Between two looks: one costs an emulated machine about a second of its processor."""
LOOK_DEADLINE_S = 20


@dataclass(slots=True)
class Asked:
    """One machine, over one connection for as long as that lives."""

    name: str
    machine: Machine
    _connection: Connection | None = field(default=None, init=False)

    @property
    def place(self) -> Place:
        """Where scripts run there. Raises what a connection raises."""
        if self._connection is None:
            self._connection = reach(self.machine)
        return Place(self._connection)

    def look(self) -> SinceBoot:
        """How far it is. Raises `CouldNotLook`; a connection that is in trouble is given up, for the next look."""
        try:
            return since_boot.parse(self.place.run(script("since_boot.sh", sudo=self.machine.sudo), LOOK_DEADLINE_S))
        except TransportTrouble:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def watch(  # noqa: PLR0917 - two of them are there for guests alone
    asked: Asked,
    back: ComingBack,
    begun: Deadline,
    stop: Event,
    hopeless: Callable[[], bool] = lambda: False,
    answered: Callable[[], None] = lambda: None,
) -> None:
    """Look at a machine until all is back that is awaited, or it is quiet, or the deadline since `begun` has passed.

    `hopeless`: whether nothing is to be waited for any more. `answered` is called while it answers from a new boot.
    """
    while not (back.over or begun.passed or stop.is_set() or hopeless()):
        try:
            now = asked.look()
        except CouldNotLook as problem:
            back.silent(begun.elapsed_s, str(problem))
        else:
            back.seen(begun.elapsed_s, now)
            if back.is_back:
                answered()
        if not back.over:
            stop.wait(AGAIN_S)


@dataclass(frozen=True, slots=True)
class Carried:
    """A guest that is awaited with its host."""

    asked: Asked
    back: ComingBack
    domain: str


def wait_for_all(host: Asked, back: ComingBack, guests: Sequence[Carried], begun: Deadline) -> None:
    """Watch the host, and its guests from the moment on at which it answers. All that is seen is in their `ComingBack`.

    A guest whose domain does not run when its host brings nothing more is not waited for.
    """
    stop, host_is_back = Event(), Event()

    def hopeless(guest: Carried) -> bool:
        domains = back.last.domains if back.last else None
        return back.over and domains is not None and guest.domain not in domains

    def watch_guest(guest: Carried) -> None:
        while not (host_is_back.wait(0.2) or stop.is_set()):
            pass
        watch(guest.asked, guest.back, begun, stop, lambda: hopeless(guest))

    with ThreadPoolExecutor(max_workers=max(1, len(guests)), thread_name_prefix="guest") as pool:
        watches = [pool.submit(watch_guest, guest) for guest in guests]
        try:
            watch(host, back, begun, stop, answered=host_is_back.set)
            if not back.is_back:
                stop.set()
            for one in watches:
                one.result()
        finally:
            stop.set()
            for guest in guests:
                guest.asked.close()
