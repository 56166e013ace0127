"""A user without rights on the lab's host: what he may not read is unknown, and nothing is called broken for that."""

from __future__ import annotations

import json
import secrets
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.facts.catalogue import HOST_SOURCES
from checks.gather import script
from checks.refusals import Denied
from checks.stream import Envelope
from lab.session import Lab

pytestmark = pytest.mark.lab

DOOR = Path(__file__).parents[2] / "vfproof"
AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'eval \"$(cat)\"'"


def test_what_a_user_may_not_read_is_never_broken(sriov_lab: Lab, tmp_path: Path) -> None:
    boundary = secrets.token_hex(16)
    begun = datetime.now(UTC)
    argv = ["ssh", "-F", str(sriov_lab.ssh_config), "kvm-1", AS_NOBODY]
    text = script(HOST_SOURCES, boundary, sudo=False)
    done = subprocess.run(argv, input=text, capture_output=True, check=True, timeout=120)
    found = Bundle(Envelope("kvm-1", begun, boundary, HOST_SOURCES), done.stdout)
    with pytest.raises(Denied):
        found.text("/etc/libvirt/qemu/guest-1.xml")
    with pytest.raises(Denied):
        found.text("/boot/grub/grub.cfg")
    (tmp_path / "bundles").mkdir()
    found.save(tmp_path / "bundles" / "kvm-1.vfb.gz")
    words = ["check", "-i", str(sriov_lab.inventory), "kvm-1", "--bundles", str(tmp_path / "bundles")]
    run = tmp_path / "run"
    checked = subprocess.run(
        [str(DOOR), *words, "--run-folder", str(run)], capture_output=True, text=True, check=False, timeout=120
    )
    rows = json.loads((run / "results.json").read_text())["rows"]
    assert checked.returncode == 6, checked.stdout
    assert [row["message"] for row in rows if row["outcome"] == "broken"] == []
    unknown = [row["message"] for row in rows if row["outcome"] == "could not look"]
    assert any("not allowed to read" in message for message in unknown)
    assert sum(row["outcome"] == "holds" for row in rows) > 15
