"""The whole gather on a real SR-IOV host with libvirt, under strace: it changes nothing there."""

from __future__ import annotations

import io
import re
import secrets
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from checks.facts.catalogue import HOST_SOURCES
from checks.gather import script
from lab.session import Lab
from tests.checks import traced

pytestmark = pytest.mark.lab
THERE = "/run/strace-of-a-test"  # in memory


def strace() -> bytes:
    """strace with its libraries and its loader, as a tar: the host's image has none, and its libc may be another."""
    program = shutil.which("strace")
    assert program, "strace is not installed: apt-get install strace"
    libraries = re.findall(
        r"(/\S+) \(0x", subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in (program, *libraries):
            name = "loader" if "/ld-" in path else Path(path).name
            archive.add(Path(path).resolve(), name)
    return packed.getvalue()


def test_a_gather_of_an_sriov_host_changes_nothing(sriov_lab: Lab):
    boundary = secrets.token_hex(16)
    ssh = ["ssh", "-F", str(sriov_lab.ssh_config), "kvm-1"]
    subprocess.run([*ssh, f"mkdir {THERE} && tar -x -C {THERE}"], input=strace(), check=True, timeout=60)
    try:
        run = f"{THERE}/loader --library-path {THERE} {THERE}/strace --seccomp-bpf {' '.join(traced.OPTIONS)}"
        command = f"""{run} -o {THERE}/log sh -c 'eval "$(cat)"'"""
        text = script(HOST_SOURCES, boundary, sudo=False)
        answer = subprocess.run([*ssh, command], input=text, capture_output=True, check=True, timeout=120).stdout
        log = sriov_lab.output("kvm-1", f"cat {THERE}/log")
    finally:
        sriov_lab.output("kvm-1", f"rm -r {THERE}")
    assert f"\n{boundary} bye 0\n".encode() in answer
    assert b"<domain type='kvm'" in answer and log.count("openat(") > 300
    assert traced.changes(log) == []
