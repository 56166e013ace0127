"""User-mode Linux beside register state that it does not know: with AMX nothing runs in it without this."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from lab import uml_registers
from lab.uml import PROGRAM

# ESRCH: the question was let through, and there is no such process to ask about.
_ASK = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
for regset in (0x202, 1):
    libc.ptrace(0x4204, 2**30, regset, None)
    print(ctypes.get_errno())
"""


def test_only_the_question_for_extended_state_is_refused():
    words = uml_registers.without_extended_state([sys.executable, "-c", _ASK])
    words.remove(uml_registers.NARROW[0])
    words.remove(uml_registers.NARROW[1])
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert [int(line) for line in said.stdout.split()] == [errno.EINVAL, errno.ESRCH]


def test_the_environment_goes_to_the_kernel_line_before_everything_else():
    words = uml_registers.without_extended_state(["linux.uml", "quiet", "--", "-c", "x"])
    assert words[-6:] == ["linux.uml", *uml_registers.NARROW, "quiet", "--", "-c", "x"][-6:]
    assert all("." not in word.partition("=")[0] for word in uml_registers.NARROW)  # else it names a module's option


@pytest.mark.lab
def test_a_process_runs_one_way_or_the_other_and_that_is_tried_once(monkeypatch):
    command = uml_registers.fitted([PROGRAM])
    assert uml_registers.works(command)
    assert uml_registers.works(uml_registers.without_extended_state([PROGRAM]))
    monkeypatch.setattr(uml_registers, "works", lambda _command: pytest.fail("tried again"))
    assert uml_registers.fitted([PROGRAM]) == command


@pytest.mark.lab
def test_a_program_that_cannot_run_anything_does_not_pass_for_one_that_can():
    assert not uml_registers.works(["echo"])
