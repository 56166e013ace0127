"""Our reading of udev's rules against what real udevd 252 and 257 did with real VFs of an emulated 82576 under QEMU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.linux.udev_language import parse_file, reading_order
from tests.checks.test_vfs import PF
from tests.checks.udev_host import forecast_of

WRITE = 'ATTR{device/sriov_numvfs}="2"'
NET = 'ACTION=="add", SUBSYSTEM=="net", '
RIGHT = f'{NET}ENV{{ID_NET_DRIVER}}=="igb", {WRITE}\n'
PCI = f'SUBSYSTEM=="pci", KERNEL=="{PF}", ATTR{{sriov_numvfs}}="2"\n'

# rule, file name, VFs under systemd 252, under 257: measured, with the driver loaded after udevd.
MATRIX = [
    (RIGHT, "enp14s0f0.rules", 2, 2),
    (RIGHT.replace("igb", "ixgbe"), "enp14s0f0.rules", 0, 0),
    (RIGHT, "60-sriov.rules", 0, 2),
    (RIGHT, "10-sriov.rules", 0, 0),
    (f'{NET}DRIVERS=="igb", {WRITE}\n', "10-sriov.rules", 2, 2),
    (f'{NET}DRIVER=="igb", {WRITE}\n', "90-sriov.rules", 0, 0),
    (f'{NET}KERNEL=="enp1s0", {WRITE}\n', "90-sriov.rules", 0, 0),
    (f'{NET}NAME=="enp1s0", {WRITE}\n', "90-sriov.rules", 2, 2),
    (f'{NET}KERNELS=="{PF}", {WRITE}\n', "90-sriov.rules", 2, 2),
    (f'ACTION=="bind", {PCI}', "90-sriov.rules", 2, 2),
    (f'ACTION=="add", {PCI}', "90-sriov.rules", 0, 0),
    (RIGHT, "90-sriov.rule", 0, 0),
    (RIGHT.rstrip() + " # ours\n", "90-sriov.rules", 0, 0),
]


@pytest.mark.parametrize(("rule", "name", "on_252", "on_257"), MATRIX)
def test_forecast_equals_what_udevd_did(rule, name, on_252, on_257):
    assert forecast_of({name: rule}, systemd=252).late == on_252
    assert forecast_of({name: rule}, systemd=257).late == on_257


def test_forecast_when_the_driver_was_there_before_udevd():
    # Measured: the replayed PCI add works, and so does KERNEL== with the final name.
    assert forecast_of({"90-a.rules": f'ACTION=="add", {PCI}'}).early == 2
    assert forecast_of({"90-a.rules": f'{NET}KERNEL=="enp1s0", {WRITE}\n'}).early == 2
    assert forecast_of({"90-a.rules": f'ACTION=="bind", {PCI}'}).early == 0
    assert forecast_of({"90-a.rules": RIGHT}).early == 2


@pytest.mark.parametrize(
    ("rule", "late", "early"),
    [
        (f'SUBSYSTEM=="net", KERNEL=="enp1s0", {WRITE}\n', 2, 2),  # without ACTION the move event counts too
        (f'{NET}KERNELS=="0000:01:*", {WRITE}\n', 2, 2),
        (f'{NET}ATTRS{{device}}=="0x10c9|0x1521", {WRITE}\n', 2, 2),
        (f'{NET}ATTRS{{device}}=="0x10c9", DRIVERS=="pcieport", {WRITE}\n', 0, 0),  # not the same parent
        (f'{NET}ATTRS{{device}}=="0x10c9", DRIVERS=="igb", {WRITE}\n', 2, 2),
        (f'{NET}DRIVERS!="ixgbe", {WRITE}\n', 2, 2),
        (f'{NET}ENV{{NO_SUCH}}!="1", {WRITE}\n', 2, 2),
        (f'{NET}ATTR{{no_such}}!="1", {WRITE}\n', None, None),  # not gathered: unknown, not a guess
        (f'{NET}ATTR{{device/sriov_numvfs}}=="0", {WRITE}\n', 2, 2),
        (f'{NET}ATTR{{sriov_numvfs}}="2"\n', 0, 0),
        (f'ACTION=="bind", SUBSYSTEM=="pci", {WRITE}\n', 0, 0),
        (f'{NET}ENV{{ID_NET_DRIVER}}="ixgbe", {WRITE}\n', 2, 2),  # assigned, so it holds for every NIC
        (f'{NET}ATTR{{device/sriov_numvfs}}="0x2"\n', 2, 2),
        (f'{NET}ATTR{{device/sriov_numvfs}}="07"\n', 7, 7),
        (f'{NET}ATTR{{device/sriov_numvfs}}="010"\n', 0, 0),  # octal 8 of 7
        (f'{NET}ATTR{{device/sriov_numvfs}}=" 2"\n', 0, 0),
        (f'{NET}ATTR{{device/sriov_numvfs}}="8"\n', 0, 0),
        (f'{NET}ATTR{{device/sriov_numvfs}}:="2"\n', 2, 2),
        (f'{NET}{WRITE}\n{NET}ATTR{{device/sriov_numvfs}}="3"\n', 2, 2),  # EBUSY
        (f'{NET}{WRITE}\n{NET}ATTR{{device/sriov_numvfs}}="0"\n', 0, 0),
        (f'{NET}ATTR{{[pci/{PF}]sriov_numvfs}}="2"\n', 2, 2),
        (f"{NET}RUN+=\"/bin/sh -c 'echo 2 > /sys/bus/pci/devices/{PF}/sriov_numvfs'\"\n", 2, 2),
        (f"{NET}RUN+=\"/bin/sh -c 'echo 2 > /sys/class/net/%k/device/sriov_numvfs'\"\n", 0, 2),
        (f'{NET}RUN+="/usr/local/bin/make-vfs --sriov_numvfs=2"\n', None, None),
        (f'{NET}PROGRAM=="/bin/which", {WRITE}\n', None, None),
        (f'{NET}TEST=="device/sriov_totalvfs", {WRITE}\n', 2, 2),
        (f'{NET}NAME="x", ENV{{a}}="$env{{ID_NET_DRIVER}}"\n{NET}ENV{{a}}=="igb", NAME=="x", {WRITE}\n', 2, 2),
        (f'SUBSYSTEM!="net", GOTO="end"\nACTION!="add", GOTO="end"\n{WRITE}\nLABEL="end"\n', 2, 2),
        (f'ENV{{ID_NET_DRIVER}}=="igb", GOTO="end"\n{WRITE}\nLABEL="end"\n', 0, 0),
        (f'ENV{{ID_NET_DRIVER}}=="igb", GOTO="nowhere"\n{NET}{WRITE}\n', 2, 2),  # the GOTO is dropped
        (f'{NET} \\\n# between\n DRIVERS=="igb", \\\n {WRITE}\n', 2, 2),
        (f"{NET}{WRITE} \\", 0, 0),  # the file ends in a continuation
        (f'ACTION=="add|change" SUBSYSTEM=="net" DRIVERS=="i?b" {WRITE}\n', 2, 2),
        (f'{NET}DRIVERS==i"IGB", {WRITE}\n', 2, 2),
    ],
)
def test_forecast_follows_the_language(rule, late, early):
    found = forecast_of({"90-sriov.rules": rule})
    assert (found.late, found.early) == (late, early)


def test_forecast_knows_bnxt_and_a_missing_driver():
    rule = {"90-sriov.rules": f"{NET}{WRITE}\n"}
    assert forecast_of(rule, driver="bnxt_en").late == 0
    assert forecast_of({"90-a.rules": f'ACTION=="bind", {PCI}'}, driver="bnxt_en").late == 2
    assert forecast_of(rule, driver=None).late == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f'ACTION="add", SUBSYSTEM=="net", {WRITE}', "ACTION can only be compared"),
        (f'ATTRS{{vendor}}="0x8086", {WRITE}', "ATTRS can only be compared"),
        (f'SUBSYTEM=="net", {WRITE}', "no key 'SUBSYTEM'"),
        (f'SYSFS{{vendor}}=="0x8086", {WRITE}', "no key 'SYSFS'"),
        (f"SUBSYSTEM=='net', {WRITE}", "not in single ones"),
        (f"SUBSYSTEM==net, {WRITE}", "lost when a shell wrote the file"),
        (f"SUBSYSTEM==\u201cnet\u201d, {WRITE}", "not in typographic ones"),
        (f"{WRITE} # ours", "a comment behind a rule"),
        (f"\ufeff{WRITE}", "byte order mark"),
        ('SUBSYSTEM=="net", ATTR{device/sriov_numvfs}="2', "closing double quote"),
        (f'ENV=="x", {WRITE}', "ENV needs an attribute"),
        (f'GOTO=="x", {WRITE}', "GOTO can only be assigned"),
        (f'ENV{{ACTION}}="x", {WRITE}', "ENV{ACTION} cannot be set"),
    ],
)
def test_parse_file_drops_what_udevd_drops_and_says_why(line, words):
    (rule,) = parse_file("/etc/udev/rules.d/a.rules", line + "\n")
    assert words in (rule.problem or "")
    assert rule.tokens == ()


def test_parse_file_takes_what_udevd_takes():
    text = 'KERNEL == "a" ,, NAME := "b\\"c"\tENV{x}+=e"y"\n\n   # note\nLABEL="z", GOTO="z"\n'
    first, second = parse_file("f", text)
    assert [str(token) for token in first.tokens] == ['KERNEL=="a"', 'NAME:="b"c"', 'ENV{x}+="y"']
    assert (first.line, second.line, second.goto) == (1, 4, None)


def test_reading_order_is_by_name_and_the_strongest_folder_wins():
    texts = {
        "/usr/lib/udev/rules.d/50-a.rules": "x",
        "/etc/udev/rules.d/50-a.rules": "y",
        "/run/udev/rules.d/60-b.rules": "x",
        "/usr/lib/udev/rules.d/10-z.rules": "x",
        "/etc/udev/rules.d/enp1s0.rules": "x",
        "/etc/udev/rules.d/70-n.rule": "x",
        "/usr/lib/udev/rules.d/60-b.rules": "x",
    }
    order, unread = reading_order(texts, ["/etc/udev/rules.d/60-b.rules"])
    assert order == (
        "/usr/lib/udev/rules.d/10-z.rules",
        "/etc/udev/rules.d/50-a.rules",
        "/etc/udev/rules.d/enp1s0.rules",
    )
    assert {item.path: item.why for item in unread} == {
        "/usr/lib/udev/rules.d/50-a.rules": "/etc/udev/rules.d/50-a.rules replaces it",
        "/run/udev/rules.d/60-b.rules": "/etc/udev/rules.d/60-b.rules masks it",
        "/usr/lib/udev/rules.d/60-b.rules": "/etc/udev/rules.d/60-b.rules masks it",
        "/etc/udev/rules.d/70-n.rule": "its name does not end in .rules",
    }


_PIECES = [
    *'{}",=#%*[\\\n\0 é',
    "ACTION",
    "ENV",
    "ID_NET_DRIVER",
    "==",
    "!=",
    "igb",
    "GOTO",
    "LABEL",
    "$attr",
    "[pci/",
    "]",
]
_PIECES += ["sriov_numvfs", "device/", "IMPORT", "builtin", "RUN", "echo 2 > /sys/", "KERNELS", "0000:01:00.0"]


@given(st.lists(st.sampled_from(_PIECES), max_size=40).map("".join))
def test_forecast_takes_any_text(text):
    found = forecast_of({"90-sriov.rules": f"{text}\n{text} sriov_numvfs"})
    assert found.late is None or 0 <= found.late <= 7


def test_forecast_of_hostile_files_ends_soon():
    assert forecast_of({"90-a.rules": 'LABEL="a", GOTO="a"\n' * 5000 + 'KERNEL=="' + "*a" * 4000 + '"\n'}).late == 0


def test_an_attribute_that_no_nic_has_is_missing_where_the_names_of_its_folder_are_known():
    there = {"/sys/class/net/enp1s0": ("address", "carrier", "device", "ifindex")}

    def made(attribute, names=there):
        rule = f'ACTION=="add", SUBSYSTEM=="net", ATTR{{{attribute}}}!="x", ATTR{{device/sriov_numvfs}}="2"\n'
        found = forecast_of({"90-a.rules": rule}, names=names)
        return found.late, found.early

    assert made("no_such") == (0, 0)  # as udevd 252 and 257 do: a comparison with what is not there fails, != too
    assert made("no_such/either") == (0, 0)
    assert made("address") == (2, 2)
    assert made("carrier") == (None, None)  # it is there, and what it says at boot is not known
    assert made("no_such", names={}) == (None, None)
