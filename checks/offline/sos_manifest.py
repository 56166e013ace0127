"""What a sosreport says of its own making: its version, the plugins that came to their end, every command and its end.

Source: sos 4 sos/report/__init__.py, sos/report/plugins/__init__.py (`manifest`): sos_reports/manifest.json. It is text
of a host like any other: what does not have its form is taken for not said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATH = "/sos_reports/manifest.json"
NO_PROGRAM = 127
_MOST_COMMANDS = 100_000


@dataclass(frozen=True, slots=True)
class Output:
    """Where the output of a command lies in the archive, and its exit status. `whole`: sos cut nothing off."""

    path: str
    rc: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """`plugins`: those that ran, and ran to their end. `commands`: by the line that sos ran. `policy`: sos's word for
    the distribution. `disguised`: names and addresses were replaced (`sos clean`, `sos report --clean`).
    """

    version: tuple[int, ...] = ()
    plugins: frozenset[str] = frozenset()
    commands: Mapping[str, Output] = field(default_factory=dict)
    policy: str = ""
    disguised: bool = False


NOTHING = Manifest()


def read(text: bytes | None) -> Manifest:
    """The manifest of an archive; of one that has none, or a strange one, nothing is said. Raises nothing."""
    try:
        whole: Any = json.loads(text or b"")
        plugins = dict(whole["components"]["report"]["plugins"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return NOTHING
    sections = {name: one for name, one in plugins.items() if isinstance(one, dict)}
    rows = [row for one in sections.values() for row in _list(one.get("commands"))][:_MOST_COMMANDS]
    outputs = {line: output for row in rows for line, output in _output(row)}
    # With --skip-files a plugin passes over what the user says.
    spared = "--skip" in str(whole.get("cmdline"))
    ended = frozenset(name for name, one in sections.items() if _ended(one) and not spared)
    policy, disguised = str(whole.get("policy"))[:40], "cleaner" in whole["components"]
    return Manifest(_version(whole.get("version")), ended, outputs, policy, disguised)


def _ended(plugin: Mapping[str, object]) -> bool:
    """Whether a plugin came to its end: one that ran out of time is stopped between two files."""
    return plugin.get("timeout_hit") is False and bool(plugin.get("end_time"))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _output(row: object) -> list[tuple[str, Output]]:
    if not isinstance(row, dict):
        return []
    line, path, rc = row.get("exec"), row.get("filepath"), row.get("return_code")
    if not isinstance(line, str) or type(rc) is not int or not 0 <= rc < 1000:
        return []
    path = f"/{path.lstrip('/')}" if isinstance(path, str) else ""
    return [(line.strip(), Output(path, rc, row.get("truncated") is False))]


def _version(value: object) -> tuple[int, ...]:
    found = re.match(r"(\d{1,4}(?:\.\d{1,4}){0,3})", value) if isinstance(value, str) else None
    return tuple(map(int, found[1].split("."))) if found else ()
