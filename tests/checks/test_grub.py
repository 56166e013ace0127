"""GRUB's menu and its defaults: the entry that boots, spelled in every way; assignments as a shell reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.linux import grub
from checks.linux.grub_defaults import parse_defaults
from tests.checks.grub_cfg import UUID, bls, grub_cfg

MENU = grub.parse_menu(grub_cfg("quiet", old="old"))
ADVANCED = f"gnulinux-advanced-{UUID}"
TITLE = "Advanced options for Debian GNU/Linux"


def chosen(default):
    entry = grub.choose(MENU.entries, default)
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("default", "title"),
    [
        ("", "Debian GNU/Linux"),
        ("0", "Debian GNU/Linux"),
        ("1", "Debian GNU/Linux, with Linux 6.12.107"),
        ("1>2", "Debian GNU/Linux, with Linux 6.1.0-44-amd64"),
        (f"{ADVANCED}>1", "Debian GNU/Linux, with Linux 6.12.107 (recovery mode)"),
        (f"{TITLE}>gnulinux-6.1.0-44-amd64-advanced-{UUID}", "Debian GNU/Linux, with Linux 6.1.0-44-amd64"),
        ("2", "UEFI Firmware Settings"),
        ("9", "Debian GNU/Linux"),
        ("no such entry", "Debian GNU/Linux"),
    ],
)
def test_choose_finds_the_entry_as_grub_does(default, title):
    assert chosen(default).title == title


def test_parse_menu_keeps_kernel_release_and_parameters():
    entry = chosen("1>2")
    assert entry.release == "6.1.0-44-amd64"
    assert entry.parameters == f"root=UUID={UUID} ro old"


def test_the_lines_that_leave_the_host_are_enough():
    pattern = grub.KEEP.replace("[[:space:]]", r"\s")
    kept = "".join(line for line in grub_cfg("quiet", old="old").splitlines(keepends=True) if re.search(pattern, line))
    assert grub.parse_menu(kept).entries == MENU.entries
    assert grub.parse_menu(kept).defaults == MENU.defaults
    assert "password" not in "".join(
        line for line in ["password_pbkdf2 root grub.pbkdf2", "set superusers=root"] if re.search(pattern, line)
    )


def test_default_entry_prefers_next_entry_then_saved_entry():
    menu = grub.parse_menu(grub_cfg("quiet", default="${saved_entry}"))
    assert grub.default_entry(menu, {"saved_entry": "1>2", "next_entry": "x"}) == "x"
    assert grub.default_entry(menu, {"saved_entry": "1>2", "next_entry": ""}) == "1>2"
    assert grub.default_entry(menu, {}) == ""


def test_bls_entries_come_newest_first_with_variables_put_in():
    names = ["id-5.14.0-70.el9", "id-5.14.0-427.el9", "id-5.14.0-427.1.el9", "id-0-rescue"]
    entries = [grub.parse_bls(f"{name}.conf", bls("5.14", "$kernelopts $tuned_params x")) for name in names]
    assert [e.id for e in grub.newest_first(entries)] == [names[2], names[1], names[0], names[3]]
    assert grub.expand(entries[0], {"kernelopts": "root=a"}) == "root=a  x"


@pytest.mark.parametrize(
    ("kernel", "release"),
    [
        ("/boot/vmlinuz-6.12.107", "6.12.107"),
        ("($root)/vmlinuz-5.14.0-427.el9.x86_64", "5.14.0-427.el9.x86_64"),
        ("/4a5b/6.12.107+deb13-amd64/linux", "6.12.107+deb13-amd64"),
        ("/bzImage", None),
        (None, None),
    ],
)
def test_release_comes_from_the_kernels_name(kernel, release):
    assert grub.Entry("t", "i", kernel).release == release


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('GRUB_X="a b"', "a b"),
        ("GRUB_X='a \"b\"'", 'a "b"'),
        ('GRUB_X="a \\"b\\" \\$c"', 'a "b" $c'),
        ("GRUB_X=a\\ b # note", "a b"),
        ("export GRUB_X=a", "a"),
        ('GRUB_X="a"\nGRUB_X="$GRUB_X b"', "a b"),
        ('GRUB_X="a"\nGRUB_X+=" b"', "a b"),
        ('GRUB_X="a \\\nb"', "a b"),
        ('GRUB_X="a\nb"', "a\nb"),
        ('GRUB_X="${GRUB_NONE}a"', "a"),
        ("GRUB_X=a; GRUB_Y=b", "a"),
        ("#GRUB_X=a", ...),
        ('GRUB_X="$(uname)"', None),
        ("GRUB_X=`uname`", None),
        ('GRUB_X="$HOME"', None),
        ('GRUB_X="${GRUB_Y:-a}"', None),
        ("if true; then\n GRUB_X=a\nfi", None),
        ('GRUB_X="a', None),
        ("# it's\nGRUB_X=a", "a"),
    ],
)
def test_parse_defaults_reads_as_a_shell_does(text, value):
    settings = parse_defaults([("/etc/default/grub", text + "\n")])
    assert (settings["GRUB_X"].value if "GRUB_X" in settings else ...) == value


@given(st.text(alphabet="GRUB_X=\"'\\$`{}( ;#\n+a", max_size=60))
def test_parse_defaults_takes_anything(text):
    for setting in parse_defaults([("f", text), ("g", "GRUB_X=" + text)]).values():
        assert setting.where.startswith(("f:", "g:"))


def test_hostile_menus_end_soon():
    deep = "submenu 'a' {\n" * 20000
    assert grub.choose(grub.parse_menu(deep).entries, ">".join("0" * 100)) is None
