"""Run a program that cannot ask for extended register state: `without_xstate.py PROGRAM WORD…`.

Why: `lab/uml_registers.py`. It is run by its path and needs nothing but Python: where a lab's machines start, our
own modules may not be known.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

# linux/audit.h, asm/unistd_64.h, linux/ptrace.h, linux/elf.h
_AUDIT_ARCH_X86_64, _SYS_PTRACE, _PTRACE_GETREGSET, _NT_X86_XSTATE = 0xC000003E, 101, 0x4204, 0x202
# linux/bpf_common.h, linux/seccomp.h; struct seccomp_data is nr, arch, instruction pointer, six arguments
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _REQUEST, _REGSET = 0, 4, 16, 32
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refusal() -> bytes:
    """The filter: `ptrace(PTRACE_GETREGSET, …, NT_X86_XSTATE, …)` fails with EINVAL, everything else is let through."""
    conditions = (
        (_ARCHITECTURE, _AUDIT_ARCH_X86_64),
        (_NUMBER, _SYS_PTRACE),
        (_REQUEST, _PTRACE_GETREGSET),
        (_REGSET, _NT_X86_XSTATE),
    )
    code = []
    for number, (offset, value) in enumerate(conditions, 1):
        left = 2 * (len(conditions) - number) + 1  # instructions until the last one, which lets through
        code += [(_LOAD, 0, 0, offset), (_JUMP_IF_EQUAL, 0, left, value)]
    code += [(_RETURN, 0, 0, _ERRNO | errno.EINVAL), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def refuse() -> None:
    """Put the filter on this process and all that it becomes and starts. Raises OSError."""
    code = refusal()
    kept = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted
