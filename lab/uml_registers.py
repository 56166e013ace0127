"""User-mode Linux on processors whose register state is larger than it knows.

Linux takes a process's extended register state (XSAVE) back only in its full size, and answers EFAULT otherwise
(arch/x86/kernel/fpu/regset.c, `xstateregs_set`). With AMX that is 11,008 bytes; User-mode Linux before 6.13 has room
for 2,696 (arch/x86/um/os-Linux/registers.c; since commit 3f17fed21491 it asks), and its first process dies of "ptrace
set fp regs failed, errno = 14". Where its question for that state is refused, it takes the older one
(PTRACE_GETFPREGS), which ends at the lower 128 bits of vector registers: the rest is lost with every page fault. So
programs in such a machine are told by their environment to use no wider ones: those that would are the C library,
coreutils (which heed the C library's word) and OpenSSL.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.state import cache_folder

_TRIAL_S = 60
# Its first process is the machine's own `true`, which ends at once; the panic that follows tells its exit status.
_TRIAL = ("mem=64M", "rootfstype=hostfs", "rootflags=/", "root=/dev/root", "ro", "init=/bin/true", "con=null")
NARROW = (
    # glibc: manual/tunables.texi, "Hardware Capability Tunables"; AVX_Fast_Unaligned_Load alone decides about memmove
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX512BW",
    # OPENSSL_ia32cap(3): bit 60 is AVX; the second word is what CPUID leaf 7 tells (AVX2, AVX-512, VAES and so on)
    "OPENSSL_ia32cap=~0x1000000000000000:~0xffffffffffffffff",
)
"""Environment in which programs leave the upper parts of vector registers alone."""
_AS_IT_IS = "as it is\n"
_WORKS = b"Attempted to kill init! exitcode=0x00000000"


def fitted(command: Sequence[str]) -> list[str]:
    """The command line of a User-mode kernel as this processor needs it; tried out when that was never asked here."""
    program = command[0]
    known = cache_folder() / f"uml-registers-{_processor_and(program)}"
    if not known.exists():
        known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = known.with_name(f".{known.name}-{os.getpid()}")
        told.write_text(_AS_IT_IS if works([program]) else "without extended state\n")
        told.replace(known)
    return list(command) if known.read_text() == _AS_IT_IS else without_extended_state(command)


def without_extended_state(command: Sequence[str]) -> list[str]:
    """The same with its question refused. A word the kernel does not know becomes its first process's environment."""
    refusing = [sys.executable, "-P", str(Path(__file__).with_name("without_xstate.py"))]
    return [*refusing, command[0], *NARROW, *command[1:]]


def _processor_and(program: str) -> str:
    """What the answer depends on."""
    release = subprocess.run([program, "--version"], capture_output=True, check=True).stdout
    flags = next((line for line in Path("/proc/cpuinfo").read_bytes().splitlines() if line.startswith(b"flags")), b"")
    below = os.uname().release.encode()
    return hashlib.sha256(b"\0".join([release, below, flags])).hexdigest()[:16]


def works(command: Sequence[str]) -> bool:
    """Whether a User-mode kernel gets as far as running a process."""
    line = [*command, *_TRIAL, "con0=fd:0,fd:1"]
    with tempfile.TemporaryDirectory(prefix="vfproof-uml-") as folder:
        said = subprocess.run(
            [*line, f"uml_dir={folder}"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_S, check=False
        )
    return _WORKS in said.stdout
