"""What root is asked to read where a user may use sudo for these commands alone: one constant text per read.

`sudo` compares the words of a command joined by spaces, so `sh -c 'a b'` and `sh -c a b` are the same to it, and a user
could run the beginning of any text that holds a space. So no text here holds one: tabs part its words. None of them
takes anything from the user. Source: sudo 1.9.13, plugins/sudoers/match_command.c (command_args_match), toke.l.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from checks.source import Command, File, Names, Source

SHELL = "/bin/sh"
_SECONDS = 20
# Where systems keep what is for root alone. sysfs and /proc are open, but for firmware's tables and variables.
_CLOSED = ("/etc/", "/boot/", "/efi/", "/run/", "/root/", "/var/", "/usr/local/", "/sys/firmware/")
_OPEN = ("/etc/os-release", "/run/udev/data/", "/run/systemd/network/", "/run/udev/rules.d/")
_PROGRAMS = frozenset({"dmesg", "find", "journalctl", "virsh"})
# Not the user's own PATH, with which he would choose what root runs.
_SEARCHED = "PATH=/usr/sbin:/usr/bin:/sbin:/bin;"


def texts_of(source: Source) -> tuple[str, ...]:
    """The texts that `sh -c` gets for a source; none where no rights are needed, or where it cannot be so read."""
    if isinstance(source, Command):
        wanted = source.each_line_of is None and source.line.split()[0] in _PROGRAMS
        return (_SEARCHED + "exec\t" + source.line.replace(" ", "\t"),) if wanted else ()
    if not isinstance(source, (File, Names)) or not source.path.startswith(_CLOSED) or source.path.startswith(_OPEN):
        return ()
    if isinstance(source, Names):
        each = '[\t-d\t"$d"\t]||continue;echo\t"D$d";ls\t-A\t"$d"|sed\ts/^/N/'
        return (f"{_SEARCHED}for\td\tin\t{_glob(source.path)}/;do\t{each};done",)
    if source.binary:
        plain = not set(source.path) & set("*?[")
        read = f"exec\tod\t-An\t-v\t-tx1\t-N\t{source.limit_bytes + 1}\t{_glob(source.path)}"
        return (_SEARCHED + read,) if plain else ()
    if source.keep and source.drop:
        return ()
    how, lines = ("-aHvE", source.drop) if source.drop else ("-aHE", source.keep or "")
    paths = _glob(source.path)
    return (
        f'{_SEARCHED}for\tf\tin\t{paths};do\techo\t"$f";done',
        f"{_SEARCHED}exec\ttimeout\t{_SECONDS}\tgrep\t{how}\t-e\t{_quoted(lines)}\t--\t{paths}",
    )


def plan(sources: Sequence[Source]) -> str:
    """The shell function `as_root NUMBER`, which reads one source by sudo where just that is allowed."""
    cases = [f"{number}) {call} ;;" for number, source in enumerate(sources) if (call := _call(number, source))]
    return "\n".join(["as_root() {", "case $1 in", *cases, "esac", "}", ""])


def _call(number: int, source: Source) -> str:
    texts = shlex.join(texts_of(source))
    if not texts:
        return ""
    if isinstance(source, Names):
        return f"root_names {number} {texts}"
    if isinstance(source, Command):
        sieves = f"{shlex.quote(source.drop or '')} {shlex.quote(source.keep or '')}"
        return f"root_command {number} {source.limit_bytes + 1} {sieves} {shlex.quote(source.line)} {texts}"
    if isinstance(source, File) and source.binary:
        return f"root_binary {number} {source.path} {texts}"
    return f"root_lines {number} {texts}"


def _glob(path: str) -> str:
    """A path for the shell, its wildcards at work. Raises ValueError for one that would be more than a path."""
    if not all(character.isalnum() or character in "/._-*?[]@:+{}" for character in path):
        raise ValueError(f"a path that cannot stand unquoted in a shell: {path!r}")
    return path


def _quoted(expression: str) -> str:
    """The expression as one word without a space in it."""
    return "'" + expression.replace("'", "'\\''").replace(" ", "'\"$(printf\t'\\040')\"'") + "'"
