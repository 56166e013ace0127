from __future__ import annotations

import pytest

from lab import preflight, topology
from lab.preflight import NotFit

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         100000 kB\nMemAvailable:    1048576 kB\n"


def test_missing_programs_are_named_with_one_apt_command(tmp_path):
    present = tmp_path / "ip"
    present.write_text("")
    present.chmod(0o755)
    needed = {"ip": "iproute2", "ssh": "openssh-client", "ssh-keygen": "openssh-client", "nft": "nftables"}
    with pytest.raises(NotFit) as refusal:
        preflight.check_programs(needed, search=str(tmp_path))
    assert str(refusal.value) == (
        "missing nft, ssh, ssh-keygen; install with: apt-get install --no-install-recommends nftables openssh-client"
    )


def test_present_programs_are_accepted(tmp_path):
    (tmp_path / "ip").write_text("")
    (tmp_path / "ip").chmod(0o755)
    preflight.check_programs({"ip": "iproute2"}, search=str(tmp_path))


def test_the_bond_topology_needs_user_mode_linux_and_its_index():
    packages = preflight.packages_of(topology.load("bond"))
    assert packages["linux.uml"] == "user-mode-linux"
    assert packages["depmod"] == "kmod"


def test_memory_is_judged_by_what_is_available():
    preflight.check_memory(1024, MEMINFO)
    with pytest.raises(NotFit, match="1025 MiB of memory are needed and 1024 MiB available"):
        preflight.check_memory(1025, MEMINFO)


def test_disk_is_judged_where_the_cache_is(tmp_path):
    preflight.check_disk(10, tmp_path, 10 << 20)
    with pytest.raises(NotFit, match=f"11 MiB of disk are needed and 10 MiB free in {tmp_path}"):
        preflight.check_disk(11, tmp_path, 10 << 20)


def test_no_way_to_make_a_tap_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "TUN", tmp_path / "tun")
    monkeypatch.setattr("os.getuid", lambda: 0)
    with pytest.raises(NotFit, match="does not exist, and every wire of the lab ends in it"):
        preflight.check_rights()


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotFit, match=r"file/cache cannot be made .*; VFPROOF_CACHE names another place"):
        preflight.check_cache(tmp_path / "file" / "cache")
    preflight.check_cache(tmp_path / "new")
    assert (tmp_path / "new").is_dir()


def test_without_root_the_image_builder_needs_its_own_ids(monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 1000)
    assert preflight.packages_of(topology.load("bond"))["newuidmap"] == "uidmap"
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert "newuidmap" not in preflight.packages_of(topology.load("bond"))
