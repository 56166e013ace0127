"""sosreports: judged as far as they reach, and read by a reader that trusts nothing in them."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.bundle import ReadFailed
from checks.gather import Order
from checks.offline import sos_archive
from checks.offline.sos_archive import NotASosreport
from checks.offline.sosreport import bundle_of
from checks.offline.stored import read_one
from checks.source import Attributes, Command, File, Links, Names
from inventory.model import Host

SOURCES = (
    File("/proc/sys/kernel/hostname"),
    File("/proc/cmdline"),
    File("/etc/udev/rules.d/*"),
    File("/usr/lib/udev/rules.d/*"),
    Names("/etc/udev/rules.d"),
    File("/etc/default/grub", keep="^[[:space:]]*GRUB_"),
    Attributes("/sys/class/net/*/flags"),
    Attributes("/sys/class/net/*/mtu"),
    Links("/lib"),
    Command("ip link"),
    File("/boot/loader/entries/*.conf"),
)
# The places are those of an archive that sos 4.0 (Debian 12) made; the texts are of this test.
ENDED = {"timeout_hit": False, "end_time": "2026-11-26 12:39:47", "commands": []}


def manifest(plugins=("udev", "kernel"), version="4.9.1", **more) -> bytes:
    whole = {"version": version, "cmdline": "report", "policy": "Debian", **more}
    return json.dumps({**whole, "components": {"report": {"plugins": dict.fromkeys(plugins, ENDED)}}}).encode()


REPORT = {
    "sos_reports/manifest.json": manifest(),
    "sos_commands/kernel/uname_-a": b"Linux vm 6.1.0 x86_64\n",
    "proc/cmdline": b"root=/dev/sda1 intel_iommu=on rd.iscsi.password=hunter2\n",
    "etc/udev/rules.d/70-sriov.rules": b'ACTION=="add", ATTR{device/sriov_numvfs}="2"\n',
    "lib/udev/rules.d/50-a.rules": b"# a\n",
    "etc/default/grub": b"# a secret: x\nGRUB_TIMEOUT=5\n",
    "sys/class/net/lo/flags": b"0x9\n",
}


def pack(path: Path, members: dict[str, bytes], *extra: tarfile.TarInfo, mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(f"sosreport-vm/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info, io.BytesIO(b"\0" * info.size))
    return path


@pytest.fixture(params=["tar.xz", "tar.gz", "folder"])
def report(request, tmp_path: Path) -> Path:
    if request.param != "folder":
        return pack(tmp_path / f"kvm-1.{request.param}", REPORT, mode=f"w:{request.param[4:]}")
    for name, data in REPORT.items():
        (tmp_path / "kvm-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kvm-1" / name).write_bytes(data)
    return tmp_path / "kvm-1"


def test_what_is_in_it_is_read_and_the_rest_is_unknown(report):
    found = read_one(report.parent, Order("kvm-1", Host(connect="ssh://kvm-1"), SOURCES))
    assert found.machine == "kvm-1"
    assert found.text("/proc/cmdline") == "root=/dev/sda1 intel_iommu=on rd.iscsi.password=HIDDEN\n"
    assert list(found.texts("/etc/udev/rules.d/*")) == ["/etc/udev/rules.d/70-sriov.rules"]
    assert list(found.texts("/usr/lib/udev/rules.d/*")) == ["/usr/lib/udev/rules.d/50-a.rules"]
    assert found.text("/etc/udev/rules.d/99-no.rules") is None  # sos copies this folder whole
    assert found.names("/etc/udev/rules.d") == ("70-sriov.rules",)
    assert found.text("/etc/default/grub") == "GRUB_TIMEOUT=5\n"
    assert found.text("/sys/class/net/lo/flags") == "0x9\n"
    for ask in (
        lambda: found.text("/proc/sys/kernel/hostname"),
        lambda: found.texts("/sys/class/net/*/flags"),  # some are there; whether all are, nobody knows
        lambda: found.texts("/sys/class/net/*/mtu"),
        lambda: found.link("/lib"),
        lambda: found.output("ip link"),
        lambda: found.texts("/boot/loader/entries/*.conf"),
    ):
        with pytest.raises(ReadFailed, match="not in the sosreport"):
            ask()


def _info(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


@pytest.mark.parametrize(
    "member",
    [
        _info("sosreport-vm/../../etc/passwd"),
        _info("/etc/passwd"),
        _info("sosreport-vm/etc/" + "x/" * 3000),
    ],
    ids=["climbs", "absolute", "long"],
)
def test_names_that_leave_it_are_refused(tmp_path, member):
    with pytest.raises(NotASosreport, match="names a place outside itself"):
        bundle_of(pack(tmp_path / "a.tar.xz", REPORT, member), "kvm-1", SOURCES)


def test_devices_loops_and_giants_are_passed_over(tmp_path):
    odd = (
        _info("sosreport-vm/etc/default/grub2", tarfile.CHRTYPE),
        _info("sosreport-vm/etc/fifo", tarfile.FIFOTYPE),
        _info("sosreport-vm/etc/loop", tarfile.SYMTYPE, link="loop"),
        _info("sosreport-vm/etc/hard", tarfile.LNKTYPE, link="sosreport-vm/etc/hard"),
        _info("sosreport-vm/etc/udev/rules.d/big.rules", size=sos_archive.MAX_FILE + 1),
    )
    found = bundle_of(pack(tmp_path / "a.tar.gz", REPORT, *odd, mode="w:gz"), "kvm-1", SOURCES)
    assert found.text("/proc/cmdline")


def test_a_folder_with_loops_and_devices(tmp_path):
    (tmp_path / "r/sos_commands").mkdir(parents=True)
    (tmp_path / "r/etc/default").mkdir(parents=True)
    (tmp_path / "r/etc/loop").symlink_to("../etc")
    (tmp_path / "r/etc/default/grub").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "r/etc/fifo")
    with pytest.raises(ReadFailed, match="not in the sosreport"):
        bundle_of(tmp_path / "r", "kvm-1", SOURCES).text("/etc/default/grub")


def test_bombs_end_soon(tmp_path, monkeypatch):
    begun = time.monotonic()
    monkeypatch.setattr(sos_archive, "MAX_UNPACKED", 64 << 20)
    (tmp_path / "bomb.tar.gz").write_bytes(
        gzip.compress(_info("sosreport-vm/x", size=1 << 40).tobuf() + b"\0" * (1 << 26))
    )
    with pytest.raises(NotASosreport, match="larger than any sosreport"):
        bundle_of(tmp_path / "bomb.tar.gz", "kvm-1", SOURCES)
    monkeypatch.setattr(sos_archive, "MAX_MEMBERS", 100)
    with pytest.raises(NotASosreport, match="larger than any sosreport"):
        bundle_of(pack(tmp_path / "a.tar.gz", {f"etc/{n}": b"" for n in range(200)}, mode="w:gz"), "kvm-1", SOURCES)
    assert time.monotonic() - begun < 5


def test_another_archive_is_none(tmp_path):
    with pytest.raises(NotASosreport, match="no sosreport"):
        bundle_of(pack(tmp_path / "a.tar.xz", {"etc/default/grub": b"x"}), "kvm-1", SOURCES)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000))
def test_any_bytes_are_refused_or_read(tmp_path_factory, data, cut):
    folder = tmp_path_factory.mktemp("t")
    whole = pack(folder / "whole.tar.gz", REPORT, mode="w:gz").read_bytes()
    for content in (data, whole[:cut], whole[: min(cut, len(whole))] + data):
        (folder / "x.tar.gz").write_bytes(content)
        try:
            bundle_of(folder / "x.tar.gz", "kvm-1", SOURCES)
        except NotASosreport:
            continue
