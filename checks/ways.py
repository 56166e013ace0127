"""The way to each machine of an inventory: its own connection string, or through the host that carries the guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from checks.connection import Connection
from checks.guest_agent import GuestAgentConnection
from checks.transport import connect
from inventory.model import Guest, Host, Inventory
from inventory.values import THROUGH_THE_HOST


class Machine(Protocol):
    """What must be known to reach a machine: the inventory's hosts and guests have it."""

    @property
    def connect(self) -> str:
        """Connection string."""

    @property
    def ssh_config(self) -> str | None:
        """OpenSSH configuration in place of the user's."""

    @property
    def sudo(self) -> bool:
        """Whether `sudo -n` may be used for what the user may not read."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A guest that is reached by its guest agent, through libvirt on its host."""

    guest: Guest
    host: Host
    domain: str

    @property
    def connect(self) -> str:
        """See `Machine`."""
        return self.guest.connect

    @property
    def ssh_config(self) -> str | None:
        """See `Machine`."""
        return None

    @property
    def sudo(self) -> bool:
        """See `Machine`: inside the guest."""
        return self.guest.sudo


def way_to(inventory: Inventory, name: str) -> Machine:
    """The way to a guest of that name."""
    guest = inventory.guests[name]
    if guest.connect != THROUGH_THE_HOST or guest.host is None:
        return guest
    return Carried(guest, inventory.hosts[guest.host], guest.domain or name)


def reach(machine: Machine) -> Connection:
    """Open the way. Raises the errors of `checks.connection`."""
    if not isinstance(machine, Carried):
        return connect(machine.connect, machine.ssh_config, sudo=machine.sudo)
    host = connect(machine.host.connect, machine.host.ssh_config, sudo=machine.host.sudo)
    return GuestAgentConnection(host, machine.domain, sudo=machine.host.sudo)
