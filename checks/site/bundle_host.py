"""A Testinfra host that answers from a bundle. What the bundle does not hold could not be looked at, and is named.

Testinfra's modules ask by shell commands (testinfra 10: modules/file.py, systeminfo.py, sysctl.py); those that can be
answered from files, links, names and gathered commands are, and no other.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import testinfra.host
from testinfra.backend import base

from checks.bundle import Bundle
from checks.refusals import CommandFailed, NotGathered, ReadFailed
from checks.site.bundle_files import BundleFiles
from checks.source import Command

Answer = tuple[int, str]
_FOUND, _NOT_FOUND, _NO_SUCH_PROGRAM = 0, 1, 127
_TESTS = {"-e": "exists", "-f": "is_file", "-d": "is_directory", "-L": "is_link", "-h": "is_link"}


class _BundleBackend(base.BaseBackend):  # type: ignore[misc] # testinfra has no types
    NAME = "bundle"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle.machine)
        self._encoding = "UTF-8"  # else it would ask the machine
        self._answers = Answers(bundle)

    def run(self, command: str, *args: str, **_: Any) -> Any:
        """Testinfra's one way to a host. Raises CouldNotLook for what the bundle does not hold."""
        text = self.quote(command, *args)  # without `sudo`: the bundle was gathered with the rights that it has
        rc, out = self._answers.to(text)
        return self.result(rc, text.encode(), out.encode(), b"")


def host_in(bundle: Bundle) -> Any:
    """A `testinfra.host.Host` of the machine as it was when the bundle was gathered."""
    backend = _BundleBackend(bundle)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    return host


class Answers:
    """What the machine would have answered to a command, as (exit status, output)."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._files = BundleFiles(bundle)
        self._known: dict[tuple[str, ...], Callable[[], Answer]] = {
            ("uname", "-s"): lambda: (_FOUND, "Linux\n"),
            ("uname", "-r"): lambda: self._content("/proc/sys/kernel/osrelease"),
            ("uname", "-n"): lambda: self._content("/proc/sys/kernel/hostname"),
            ("hostname",): lambda: self._content("/proc/sys/kernel/hostname"),
            ("uname", "-m"): self._architecture,
            ("command", "-v", "command"): lambda: (_FOUND, "command\n"),
            ("command", "-v", "sysctl"): lambda: (_FOUND, "sysctl\n"),
        }

    def to(self, command: str) -> Answer:
        """The answer to one command. Raises CouldNotLook."""
        try:
            words = shlex.split(command)
        except ValueError:
            words = []
        if tuple(words) in self._known:
            return self._known[tuple(words)]()
        answer: Answer
        match words:
            case ["test", flag, path] if flag in _TESTS:
                answer = (_FOUND if getattr(self._files, _TESTS[flag])(path) else _NOT_FOUND), ""
            case ["cat", path] | ["cat", "--", path]:
                answer = self._content(path)
            case ["grep", "-qs", "--", pattern, path]:
                answer = self._grep(pattern, path)
            case ["ls", "-1", "-q", "--", path]:
                answer = self._names(path)
            case ["realpath", path] | ["readlink", "-f", path]:
                answer = _FOUND, self._files.target(path) + "\n"
            case ["command", "-v", program] | ["which", program]:
                answer = self._program(program)
            case ["sysctl", "-n", name]:
                answer = self._content("/proc/sys/" + name.replace(".", "/"))
            case _:
                answer = self._output(command, words)
        return answer

    def _names(self, path: str) -> Answer:
        names = self._files.names(path)
        if names is None:
            return 2, ""
        return _FOUND, "".join(f"{name}\n" for name in names if not name.startswith("."))

    def _content(self, path: str) -> Answer:
        text = self._files.text(path)
        return (_NOT_FOUND, "") if text is None else (_FOUND, text)

    def _grep(self, pattern: str, path: str) -> Answer:
        """As grep does it: its expressions are not Python's."""
        text = self._files.text(path)
        if text is None:
            return 2, ""
        done = subprocess.run(["grep", "-qs", "--", pattern], input=text.encode(), check=False, timeout=10)
        return done.returncode, ""

    def _architecture(self) -> Answer:
        """From the processor's own words, as far as those tell: `vendor_id` is x86's."""
        text = self._bundle.text("/proc/cpuinfo") or ""
        if text.startswith("vendor_id"):
            return _FOUND, "x86_64\n"
        if "CPU implementer" in text:
            return _FOUND, "aarch64\n"
        raise NotGathered(f"{self._bundle.machine}: the bundle does not tell the machine's architecture")

    def _program(self, program: str) -> Answer:
        """Whether it is there: known of programs that the gather ran."""
        lines = [source.line for source in self._bundle.sources or () if isinstance(source, Command)]
        for line in lines:
            if line.split()[0] == program:
                try:
                    there = self._bundle.output(line) is not None
                except CommandFailed:
                    there = True
                return (_FOUND, f"{program}\n") if there else (_NOT_FOUND, "")
        raise self._not_held(f"command -v {program}")

    def _output(self, command: str, words: Sequence[str]) -> Answer:
        line = " ".join(words)
        sources = [one for one in self._bundle.sources or () if isinstance(one, Command) and one.line == line]
        if any(one.keep or one.drop or one.each_line_of or one.each_match_of for one in sources):
            raise ReadFailed(f"{self._bundle.machine}: the bundle holds only a part of what '{line}' printed")
        try:
            out = self._bundle.output(line) if line else None
        except NotGathered:
            raise self._not_held(command) from None
        except CommandFailed as failed:
            return failed.rc, ""
        if out is None and not sources:
            raise self._not_held(command)
        return (_NO_SUCH_PROGRAM, "") if out is None else (_FOUND, out)

    def _not_held(self, command: str) -> NotGathered:
        return NotGathered(
            f"{self._bundle.machine}: its bundle holds no answer to '{command[:200]}'; check the machine itself, "
            "without --bundles"
        )
