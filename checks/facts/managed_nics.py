"""Which interfaces of a machine NetworkManager holds with a profile of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from checks.bundle import Bundle, CommandFailed, UnexpectedOutput
from checks.source import Command, Source

_DEVICES = "nmcli -t -f DEVICE,STATE,CONNECTION device"

SOURCES: tuple[Source, ...] = (Command(_DEVICES),)


def parse(bundle: Bundle) -> Mapping[str, str]:
    """The profile on each interface that NetworkManager configures, by the interface; empty without NetworkManager.

    "connected (externally)" is left out: that is an interface which somebody else configured.
    Source: nmcli(1), --terse and --escape. nmcli ends with status 8 when NetworkManager does not run.
    Raises UnexpectedOutput when a line does not have the three fields.
    """
    try:
        text = bundle.output(_DEVICES)
    except CommandFailed as error:
        if error.rc == 8:
            return {}
        raise
    held = {}
    for line in (text or "").splitlines():
        fields = [re.sub(r"\\(.)", r"\1", field) for field in re.split(r"(?<!\\):", line)]
        if len(fields) != 3:
            raise UnexpectedOutput(f"{bundle.machine}: '{_DEVICES}' printed {line[:60]!r}")
        name, state, profile = fields
        if state.startswith(("connected", "connecting")) and "externally" not in state and profile:
            held[name] = profile
    return held
