"""What a program in RUN writes into sysfs, where its text tells it: `sh -c 'echo 2 > /sys/…/sriov_numvfs'`.

Source: systemd 252 and 257 src/udev/udev-event.c, udev-spawn.c (udev_event_spawn: no shell, and a program without a
path is looked for in /usr/lib/udev only); POSIX.1-2017 XCU 2 (Shell Command Language).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SHELLS = re.compile(r"/(usr/)?(local/)?s?bin/(ba|da|k|z|a)?sh|/(usr/)?bin/busybox")
_WORD = re.compile(r"""\s*((?:[^\s"']|"[^"]*"|'[^']*')+)""")
_PART = re.compile(r"""[^\s"']+|"[^"]*"|'[^']*'""")
_COMMANDS = re.compile(r"\s*(?:;|&&|\n)\s*")
_VALUE = r"""(?:"(?P<double>[^"$`\\]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'$`\\;&|<>()*?\[]+))"""
_PATH = r"""(?:"(?P<quoted>[^"`\\]+)"|'(?P<apostrophes>[^'$]+)'|(?P<path>[^\s"'`\\;&|<>()*?\[]+))"""
_ECHO = rf"(?:/(?:usr/)?bin/)?(?:echo(?:\s+-[ne]+)?|printf(?:\s+[\"']?%[sd](?:\\n)?[\"']?)?)\s+{_VALUE}"
_TO_FILE = re.compile(rf"{_ECHO}(?P<gap>\s*)(?P<fd>1?)>>?\|?\s*{_PATH}")
_TO_TEE = re.compile(rf"{_ECHO}\s*\|\s*(?:/(?:usr/)?bin/)?tee(?:\s+-a)?\s+{_PATH}(?:\s*>\s*/dev/null)?")
_OTHER_OUTPUT = re.compile(r"(?:/(?:usr/)?bin/)?echo\s+[2-9]>>?\s*(\S+)")
_IDLE = re.compile(r"(?:/(?:usr/)?bin/)?sleep\s+[\d.]+|true|:|exit\s+0|/(?:usr/)?bin/true|")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Writes:
    """What a program writes, in order: text and path. `fails`: why it writes nothing; None with no `written` when its
    text does not tell.
    """

    written: tuple[tuple[str, str], ...] = ()
    fails: str | None = None


def writes(command: str, environment: Mapping[str, str | None]) -> Writes:  # noqa: PLR0911 - one way out a cause
    """What the command line of a RUN does. `environment`: what udevd gives the program, None for unknown values."""
    words = _words(command)
    if not words or len(command) > _LONGEST:
        return Writes()
    program, rest = words[0], words[1:]
    if not program.startswith("/"):
        if program in ("sh", "bash", "echo", "tee", "printf") or "=" in program:
            return Writes(fails=f"udevd looks for {program!r} in /usr/lib/udev only; name its whole path")
        return Writes()
    if not _SHELLS.fullmatch(program):
        if any(word.startswith((">", "1>")) for word in rest):
            return Writes(fails="udevd starts programs without a shell, so > is but a word; write /bin/sh -c '...'")
        return Writes()
    rest = rest[1:] if program.endswith("busybox") and rest[:1] in (["sh"], ["ash"]) else rest
    if len(rest) < 2 or not re.fullmatch(r"-[eux]*c", rest[0]):
        return Writes()
    return _script(rest[1], environment)


def _words(command: str) -> list[str]:
    """The words as systemd splits them: quotes go, backslashes stay."""
    return [
        "".join(part.strip("\"'") if part[0] in "\"'" else part for part in _PART.findall(word))
        for word in _WORD.findall(command[:_LONGEST])
    ]


def _script(text: str, environment: Mapping[str, str | None]) -> Writes:
    found: list[tuple[str, str]] = []
    fails = None
    for command in _COMMANDS.split(text.strip()):
        if _OTHER_OUTPUT.fullmatch(command):
            fails = f"{command.split('>')[0].strip()}> sends error messages there and no number: a space is missing"
            continue
        wrote = _TO_FILE.fullmatch(command) or _TO_TEE.fullmatch(command)
        if wrote is None:
            if _IDLE.fullmatch(command):
                continue
            return Writes()
        groups = wrote.groupdict()
        value = next(text for text in (groups["double"], groups["single"], groups["bare"]) if text is not None)
        path = _expanded(groups["quoted"] or groups["apostrophes"] or groups["path"], environment)
        if path is None or (groups.get("gap") == "" and not groups.get("fd") and value.isdigit() and groups["bare"]):
            return Writes()
        found.append((value + "\n", path))
    return Writes(tuple(found), fails if not found else None)


def _expanded(path: str, environment: Mapping[str, str | None]) -> str | None:
    """The path with the shell's variables put in; None when one of them is not known."""
    unknown = False

    def put_in(found: re.Match[str]) -> str:
        nonlocal unknown
        value = environment.get(found[1] or found[2], "")
        unknown = unknown or value is None
        return value or ""

    result = _VARIABLE.sub(put_in, path)
    return None if unknown or "$" in result else result
