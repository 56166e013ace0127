from __future__ import annotations

import gzip
import lzma
import struct

import pytest

from lab import images
from lab.assemble import RECIPES, SCRIPTS, _write_manifest, lines_of
from lab.debian import DebianError, Entry, mmdebstrap_command, own_debian, parse_deb822, parse_one_line
from lab.grubdisk import FIRST_SECTOR, partition_table
from lab.images import cached
from lab.initrd import MissingModuleError, loading_order, write_initrd

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/some.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def machine(tmp_path):
    """An apt folder and an os-release to fill."""
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    return tmp_path


def test_one_line_sources_are_read_with_their_options():
    text = "# no\ndeb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib # why\ndeb-src http://m x y\n"
    assert list(parse_one_line(text)) == [Entry("http://m/debian", "bookworm", ("main", "contrib"), "/k.gpg")]


def test_deb822_sources_are_read_but_for_disabled_ones():
    found = list(parse_deb822(DEB822))
    assert [(entry.uri, entry.suite) for entry in found] == [
        ("http://mirror.example/debian", "bookworm"),
        ("http://mirror.example/debian", "bookworm-updates"),
        ("http://mirror.example/debian-security", "bookworm-security"),
    ]
    assert found[0].signed_by == "/usr/share/keyrings/some.gpg"


def test_a_key_written_into_the_sources_is_no_path():
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n x\n"
    text = f"Types: deb\nURIs: http://m\nSuites: s\nComponents: main\n{key}"
    assert [entry.signed_by for entry in parse_deb822(text)] == [None]


def test_the_machines_own_release_names_the_mirror(machine):
    (machine / "apt/sources.list.d/debian.sources").write_text(DEB822)
    entry = own_debian(machine / "apt", machine / "os-release")
    assert entry.one_line("trixie") == (
        "deb [signed-by=/usr/share/keyrings/some.gpg] http://mirror.example/debian trixie main"
    )


def test_the_code_name_wins_over_another_suite(machine):
    (machine / "apt/sources.list").write_text("deb http://other stable main\ndeb http://own bookworm main\n")
    assert own_debian(machine / "apt", machine / "os-release").uri == "http://own"


def test_a_machine_without_a_debian_source_is_told_so(machine):
    (machine / "apt/sources.list").write_text("deb http://m/debian-security bookworm-security main\n")
    with pytest.raises(DebianError, match=r"no source entry serves this machine's own release \(bookworm"):
        own_debian(machine / "apt", machine / "os-release")


def test_another_distribution_is_told_so(machine):
    (machine / "os-release").write_text("ID=fedora\n")
    with pytest.raises(DebianError, match="this machine is no Debian"):
        own_debian(machine / "apt", machine / "os-release")


def test_mmdebstrap_is_given_release_packages_and_source(tmp_path):
    command = mmdebstrap_command(Entry("http://m", "x", ("main",)), ["a", "b"], tmp_path / "t")
    assert "--include=a,b" in command
    assert command[-3:] == ["trixie", str(tmp_path / "t"), "deb http://m trixie main"]


def _modules(tmp_path, **needs):
    """A module tree where each module needs the listed others."""
    for name in needs:
        (tmp_path / f"{name}.ko.xz").write_bytes(lzma.compress(name.encode()))
    lines = (f"{name}.ko.xz: {' '.join(f'{other}.ko.xz' for other in others)}\n" for name, others in needs.items())
    (tmp_path / "modules.dep").write_text("".join(lines))
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio-pci.ko\n")
    return tmp_path


def test_modules_are_loaded_after_what_they_need(tmp_path):
    tree = _modules(tmp_path, ext4=["jbd2", "mbcache"], jbd2=[], mbcache=[])
    assert loading_order(tree, ("ext4", "jbd2")) == ["jbd2.ko.xz", "mbcache.ko.xz", "ext4.ko.xz"]


def test_a_module_built_into_the_kernel_is_not_loaded(tmp_path):
    assert loading_order(_modules(tmp_path), ("virtio_pci",)) == []


def test_a_module_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(MissingModuleError, match="no kernel module igbvf"):
        loading_order(_modules(tmp_path), ("igbvf",))


def _members(archive):
    """Names and bodies of a cpio archive in newc form."""
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        size, name_size = int(archive[at + 54 : at + 62], 16), int(archive[at + 94 : at + 102], 16)
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        body = at + (110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return
        yield name, archive[body : body + size]
        at = body + (size + 3) // 4 * 4


def test_the_initramfs_holds_unpacked_modules_and_their_order(tmp_path):
    tree = tmp_path / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/busybox").write_bytes(b"busybox")
    write_initrd(tree, _modules(tmp_path, ext4=["jbd2"], jbd2=[]), ("ext4",), tmp_path / "initrd")
    members = dict(_members(gzip.decompress((tmp_path / "initrd").read_bytes())))
    assert members["modules/order"] == b"jbd2.ko\next4.ko\n"
    assert members["modules/jbd2.ko"] == b"jbd2"
    assert members["init"] == (SCRIPTS / "initrd-init").read_bytes()
    assert members["bin/switch_root"] == b"busybox"


def test_the_partition_fills_the_disk():
    flag, _, kind, _, first, count = struct.unpack("<B3sB3sII", partition_table(10_000)[:16])
    assert (flag, kind, first, first + count) == (0x80, 0x83, FIRST_SECTOR, 10_000)
    assert len(partition_table(10_000)) == 64


def test_the_manifest_names_every_package_and_version(tmp_path):
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: b\nStatus: install ok installed\nVersion: 2:1-1\nDescription: x\n Version: no\n\n"
        "Package: a\nVersion: 3\n"
    )
    _write_manifest(tmp_path, tmp_path)
    assert (tmp_path / "manifest").read_text() == "a 3\nb 2:1-1\n"


def test_an_entry_is_made_once(own_folders):
    made = []

    def make(out):
        made.append(out)
        (out / "x").write_text("1")

    first, second = cached("kind", "key", make), cached("kind", "key", make)
    assert first == second
    assert (first / "x").read_text() == "1"
    assert len(made) == 1


def test_an_interrupted_build_leaves_nothing_that_looks_finished(own_folders):
    def make(out):
        (out / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("kind", "key", make)
    assert [path.name for path in (own_folders / "cache").iterdir()] == ["kind.lock"]


def test_a_changed_recipe_makes_another_image(own_folders, monkeypatch, tmp_path):
    recipe = tmp_path / "x.packages"
    recipe.write_text("one\n")
    monkeypatch.setattr(images, "_recipe", lambda *_names: [recipe])
    monkeypatch.setattr(images, "_LAB", tmp_path)
    before = images.digest("x")
    recipe.write_text("two\n")
    assert images.digest("x") != before


def test_the_digest_covers_scripts_and_every_file_of_the_recipe():
    files = images._recipe("host")
    assert {SCRIPTS / "first-boot", RECIPES / "host.packages", RECIPES / "host/etc/default/grub"} <= set(files)
    assert not any("sriov-guest" in str(path) for path in files)


@pytest.mark.parametrize("recipe", ["host", "guest"])
def test_no_package_is_asked_for_twice(recipe):
    packages = lines_of(RECIPES / f"{recipe}.packages")
    assert sorted(set(packages)) == sorted(packages)
