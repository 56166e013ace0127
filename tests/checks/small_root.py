"""A root directory of the test's own, with a shell and what the gather needs: the script reads real paths in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PROGRAMS = ("sh", "cat", "echo", "grep", "head", "id", "ls", "od", "printf", "sed", "sleep", "timeout", "tr", "xargs")


def make(root: Path, files: Mapping[str, str | bytes], commands: Mapping[str, str]) -> None:
    """Fill it with programs, files, and what stands in for other programs: command lines and what they print."""
    for program in _PROGRAMS:
        real = Path(str(shutil.which(program))).resolve()
        _put(root, f"/bin/{program}", real.read_bytes(), 0o755)
        linked = subprocess.run(["ldd", str(real)], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", linked):
            if not (root / library[1:]).exists():
                _put(root, library, Path(library).read_bytes(), 0o755)
    (root / "dev").mkdir()
    (root / "dev/null").touch()  # a device needs rights; the gather only reads it empty, or drops a complaint into it
    for path, content in files.items():
        _put(root, path, content.encode() if isinstance(content, str) else content, 0o600)
    for program in {line.split()[0] for line in commands} - {path.name for path in (root / "bin").iterdir()}:
        _put(root, f"/bin/{program}", _answering(root, program, commands).encode(), 0o755)


def _answering(root: Path, program: str, commands: Mapping[str, str]) -> str:
    """A program that answers these command lines, with or without a further word."""
    cases = []
    for number, line in enumerate(sorted(commands, key=len, reverse=True)):
        if line.split()[0] == program:
            _put(root, f"/answers/{program}-{number}", commands[line].encode(), 0o600)
            cases.append(f"'{line}' | '{line} '*) exec cat /answers/{program}-{number} ;;\n")
    return '#!/bin/sh\ncase "${0##*/} $*" in\n' + "".join(cases) + "esac\nexit 1\n"


def answer(root: Path, script: bytes) -> bytes:
    """What the script prints in there."""
    chroot = str(shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin:/bin"))
    inside = [chroot, str(root), "/bin/sh", "-c", 'eval "$(cat)"']
    command = inside if os.geteuid() == 0 else [str(shutil.which("unshare")), "--user", "--map-root-user", *inside]
    done = subprocess.run(command, input=script, capture_output=True, check=True, env={"PATH": "/bin"}, timeout=60)
    assert done.stderr == b""
    return done.stdout


def concrete(pattern: str) -> str:
    """A path that the glob finds. What stands for a folder is not what stands for a file."""
    *folders, last = pattern.split("/")
    return "/".join([*(_filled(part, "folder") for part in folders), _filled(last, "file")])


def _filled(part: str, word: str) -> str:
    part = re.sub(r"\[([^]!])[^]]*\]", r"\1", part)
    return part.replace("*", word).replace("?", "p")


def _put(root: Path, path: str, content: bytes, mode: int) -> None:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(mode)
