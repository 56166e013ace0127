"""Machines that are to be upgraded: what makes them, and that they are what their topologies say."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.linux import domain_xml
from checks.linux.nic_names import predict
from lab import build_machine, images, older_images, topology
from lab.assemble import RECIPES, SCRIPTS, lines_of
from lab.debian import Entry
from lab.images import Image
from lab.upgradable import mixed_command

ENTRY = Entry("http://mirror.example/debian", "bookworm", ("main",))


def test_the_host_is_the_ordinary_one_but_for_its_kernel():
    tree = older_images.host_on_older_kernel()
    ordinary = set(lines_of(RECIPES / "host.packages"))
    assert set(tree.packages) ^ ordinary == {"linux-image-amd64", "linux-image-amd64/bookworm"}
    assert (tree.release, tree.carried) == ("trixie", ("linux-image-amd64",))


def test_both_releases_are_asked_and_the_trees_own_is_preferred(tmp_path):
    command = mixed_command(ENTRY, older_images.guest_of_older_release(), tmp_path / "base.tar")
    assert command[-4:] == [
        "bookworm",
        str(tmp_path / "base.tar"),
        "deb http://mirror.example/debian bookworm main",
        "deb http://mirror.example/debian trixie main",
    ]
    assert '--aptopt=APT::Default-Release "bookworm"' in command
    (hook,) = [word for word in command if word.startswith("--customize-hook=")]
    assert hook.endswith('/lab/guest/carry-upgrade "$1" trixie systemd systemd-sysv udev')


@pytest.mark.parametrize(
    ("scheme", "names"),
    [("v252", {"ens3": True, "enp1s3": True, "ens4": True}), ("v257", {"ens3": False, "ens4": True})],
)
def test_two_nics_of_the_older_guest_want_one_name_by_the_newer_scheme_alone(scheme, names):
    xml = (build_machine.DOMAINS / "older-systemd.xml").read_text()
    domain = domain_xml.read(xml).definition
    found = predict(domain.layout, ((one.place, one.acpi_index) for one in domain.interfaces), scheme)
    wanted = [one.name for one in found if one is not None]
    assert {name: wanted.count(name) == 1 for name in wanted} == names
    nics = topology.load("upgrade-guest").inventory["guests"]["guest-1"]["nics"]
    assert {one.mac for one in domain.interfaces} == {nic["mac"] for nic in nics.values()}


def _prepared(monkeypatch, name, text=None):
    """What `prepare` would run a topology from; no image is made."""
    monkeypatch.setattr(images, "sriov", lambda _say: (Image(Path("/c/host")), Image(Path("/c/sriov-guest"))))
    other = {
        ("sriov-host", "older-kernel"): ("sriov-host", lambda host, _say: Image(host.folder / "older-kernel")),
        ("nested", "older-systemd"): ("sriov-guest", lambda host, _say: Image(host.folder / "older-systemd")),
    }
    assert other.keys() == build_machine._OTHER_IMAGES.keys()
    monkeypatch.setattr(build_machine, "_OTHER_IMAGES", other)
    loaded = topology.load(name) if text is None else topology.parse(text, source=name)
    return {kind: str(folder) for kind, folder in build_machine.prepare(loaded, lambda _text: None).items()}


@pytest.mark.parametrize(
    ("name", "host", "guest"),
    [
        ("sriov", "/c/host", "/c/sriov-guest"),
        ("upgrade", "/c/host/older-kernel", "/c/sriov-guest"),
        ("upgrade-guest", "/c/host", "/c/host/older-systemd"),
    ],
)
def test_a_topology_gets_the_images_that_it_names(monkeypatch, name, host, guest):
    assert _prepared(monkeypatch, name) == {"sriov-host": host, "sriov-guest": guest}


def test_an_image_that_does_not_exist_is_named_with_its_place(monkeypatch):
    text = topology.locate("upgrade").read_text().replace("older-kernel", "oldest-kernel")
    with pytest.raises(build_machine.CannotBuild, match=r"nodes\.kvm-1\.settings\.image: .*'oldest-kernel'"):
        _prepared(monkeypatch, "own.yaml", text)


@pytest.mark.parametrize("name", ["upgrade", "upgrade-guest"])
def test_the_script_of_an_upgrade_exists(name):
    wanted = topology.load(name).upgrade
    assert wanted is not None
    assert (SCRIPTS / wanted.script).is_file()
