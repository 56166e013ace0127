"""The inventory's single values: addresses, names and connection strings, each with what to write instead."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

_BDF = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\Z")
_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
_NIC = re.compile(r"^[^\s/:\0]{1,15}\Z")
_MACHINE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_STATEMENT = re.compile(r"^test_[A-Za-z0-9_]+\Z")
_PARAMETER = re.compile(r"^[A-Za-z0-9_.-]+(=[^\s\"']+)?\Z")
THROUGH_THE_HOST = "qga://"
"""A guest's connection string: through libvirt on its host and the guest agent inside it."""
_BACKENDS = ("ssh", "paramiko", "local", "docker", "podman", "kubectl", "openshift", "ansible", "lxc", "salt", "chroot")


def _pci_address(value: str) -> str:
    value = value.lower()
    if value.count(":") == 1:
        value = f"0000:{value}"
    if not _BDF.match(value):
        raise ValueError("not a PCI address; write domain:bus:slot.function in hex, such as 0000:3d:00.0")
    return value


def _mac(value: str) -> str:
    value = value.lower().replace("-", ":")
    if not _MAC.match(value):
        raise ValueError("not a MAC address; write six hex pairs, such as 52:54:00:6d:90:02")
    return value


def _nic(value: str) -> str:
    if not _NIC.match(value):
        raise ValueError("not an interface name; the kernel takes 1 to 15 characters with no space, '/' or ':'")
    return value


def _machine_name(value: str) -> str:
    if not _MACHINE.match(value):
        raise ValueError(
            "not a machine's name; use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return value


def _connection(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator:
        raise ValueError(f"not a connection string; write ssh://{value if value.isprintable() else 'root@host'}")
    if scheme == "qga":
        raise ValueError("only a guest is reached through its host, by qga://; write ssh://root@host")
    if scheme not in _BACKENDS:
        raise ValueError(f"there is no way of connecting named {scheme!r}; there are {', '.join(_BACKENDS)}")
    if any(c.isspace() or not c.isprintable() for c in rest):
        raise ValueError("a connection string has no spaces and no control characters")
    if scheme in {"ssh", "paramiko"}:
        _ssh_target(value)
    return value


def _guest_connection(value: str) -> str:
    if not value.startswith(THROUGH_THE_HOST):
        return _connection(value)
    if value != THROUGH_THE_HOST:
        raise ValueError("write qga:// alone; the guest's 'host' and 'domain' say the rest")
    return value


def _ssh_target(value: str) -> None:
    parts = urlsplit(value)
    try:
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        port_is_good = False
    if not port_is_good:
        raise ValueError("the port must be a number from 1 to 65535, such as ssh://root@kvm-01:22")
    # ssh would take a name that begins with '-' for an option
    if not parts.hostname or parts.hostname.startswith("-") or (parts.username or "").startswith("-"):
        raise ValueError("no host in it; write ssh://user@host or ssh://user@host:port")


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == len("2027-03-31") else "")
    except ValueError:
        raise ValueError("not a day; write year-month-day, such as 2027-03-31") from None


def _statement(value: str) -> str:
    if not _STATEMENT.match(value):
        raise ValueError("not the name of a statement; take it from the report, such as test_every_pf_is_up")
    return value


def _sentence(value: str) -> str:
    if not value.strip() or len(value) > 500:
        raise ValueError("write one sentence, of 500 characters at most")
    return value


def _kernel_parameter(value: str) -> str:
    # what GRUB, dracut and the kernel's own lexer would each take apart in a way of its own is refused
    if not _PARAMETER.match(value):
        raise ValueError("not one kernel parameter; write name or name=value, such as intel_iommu=on")
    return value


def _no_truth_value(value: object) -> object:
    """Python takes True for 1."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")  # noqa: TRY004 - what pydantic collects
    return value


PciAddress = Annotated[str, AfterValidator(_pci_address)]
Mac = Annotated[str, AfterValidator(_mac)]
NicName = Annotated[str, AfterValidator(_nic)]
MachineName = Annotated[str, AfterValidator(_machine_name)]
Connection = Annotated[str, AfterValidator(_connection)]
GuestConnection = Annotated[str, AfterValidator(_guest_connection)]
StatementName = Annotated[str, AfterValidator(_statement)]
Sentence = Annotated[str, AfterValidator(_sentence)]
KernelParameter = Annotated[str, AfterValidator(_kernel_parameter)]
Day = Annotated[date, BeforeValidator(_day)]
Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]
Milliseconds = Annotated[Number, Field(ge=0)]
