"""Playing the few rules that can bear on numbers of VFs gives what playing all rules gives, word for word."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.facts import udev
from checks.linux import sriov_forecast, udev_rule_set
from checks.linux.udev_event import Device, Event
from checks.linux.udev_language import parse_file
from tests.checks.test_udev_rules import MATRIX
from tests.checks.test_vfs import PF
from tests.checks.udev_host import bundle, rule_files

NET = 'ACTION=="add", SUBSYSTEM=="net"'
WRITE = 'ATTR{device/sriov_numvfs}="2"'
VALUES = ("", "2", "x", "igb", "enp1s0", "sriov_numvfs", "$env{A}", "$env{B}", "$name", "%k", "%s{vendor}", "%b", "a$")
KNOWN = st.sampled_from(("", "2", "x", "igb", "enp1s0", "?*", "0x8086", "2|x", PF))
VALUE = st.sampled_from(VALUES)
PROPERTY = st.sampled_from(("A", "B", "A", "B", "ID_NET_DRIVER", "ID_NET_NAME", "INTERFACE"))
EQUAL = st.sampled_from(("==", "==", "!="))


def written(template, *parts):
    return st.tuples(*parts).map(lambda found: template.format(*found))


MATCHES = st.one_of(
    written('ACTION{}"{}"', EQUAL, st.sampled_from(("add", "bind", "add|move", "re*", "a*"))),
    written('SUBSYSTEM{}"{}"', EQUAL, st.sampled_from(("net", "pci", "block", "n*", "net|pci"))),
    written('ENV{{{}}}{}"{}"', PROPERTY, EQUAL, KNOWN),
    written('ENV{{{}}}{}"{}"', PROPERTY, EQUAL, KNOWN),
    written('NAME{}"{}"', EQUAL, KNOWN),
    written('TAG{}"{}"', EQUAL, st.sampled_from(("x", "y"))),
    written('KERNELS{}"{}"', EQUAL, st.sampled_from((PF, "0000:00:02.0", "none"))),
    written('KERNEL{}"{}"', EQUAL, st.sampled_from(("enp1s0", "eth*", PF))),
    written('DRIVERS{}"{}"', EQUAL, st.sampled_from(("igb", "pcieport"))),
    written('ATTRS{{{}}}=="{}"', st.sampled_from(("vendor", "device", "$name", "sriov_numvfs")), KNOWN),
    written('ATTR{{{}}}=="{}"', st.sampled_from(("device/sriov_numvfs", "device/$name", "%k", "device/%b")), KNOWN),
    written('TEST=="{}"', st.sampled_from(("device/sriov_numvfs", "device/$env{A}", "$env{B}", "/etc/$env{A}", "x"))),
    st.just('PROGRAM=="/bin/which"'),
)
IMPORTS = st.one_of(
    written('IMPORT{{builtin}}="{}"', st.sampled_from(("net_driver", "net_setup_link", "hwdb", "usb_id", "path_id"))),
    written('IMPORT{{program}}{}"{}"', st.sampled_from(("=", "!=")), st.sampled_from(("/bin/x $env{A}", "net_driver"))),
    written('IMPORT{{db}}="{}"', st.sampled_from(("A", "ID_NET_DRIVER"))),
    written('IMPORT{{cmdline}}="{}"', st.sampled_from(("A", "B"))),
    written('IMPORT{{parent}}="{}"', st.sampled_from(("A", "PCI_*", "*", "$env{B}", "DRIVER"))),
    st.just('IMPORT{file}="/etc/x"'),
)
ASSIGNMENTS = st.one_of(
    written('ENV{{{}}}{}"{}"', PROPERTY, st.sampled_from(("=", "+=")), VALUE),
    written('ENV{{{}}}{}"{}"', PROPERTY, st.sampled_from(("=", "+=")), VALUE),
    written('NAME{}"{}"', st.sampled_from(("=", ":=")), VALUE),
    written('TAG{}"{}"', st.sampled_from(("=", "+=", "-=")), st.sampled_from(("x", "y", "$env{A}"))),
    written('RUN{}"/bin/true {}"', st.sampled_from(("=", "+=", ":=")), VALUE),
    written('MODE="0{}00"', st.sampled_from("67")),
    IMPORTS,
)
WRITES = st.one_of(
    written('ATTR{{device/sriov_numvfs}}="{}"', st.sampled_from(("2", "3", "0", "$env{A}", "$env{B}", "%n"))),
    st.just('ATTR{sriov_numvfs}="2"'),
    st.just('ENV{A}="sriov_numvfs"'),
    written("RUN{}\"/bin/sh -c 'echo {} > /sys/bus/pci/devices/{}/sriov_numvfs'\"", st.sampled_from(("=", "+=", ":=")),
            st.sampled_from(("2", "$env{A}")), st.just(PF)),
    st.just(f"RUN+=e\"/bin/sh -c 'echo 3 > /sys/bus/pci/devices/{PF}/\\x73riov_numvfs'\""),
)  # fmt: skip
JUMPS = st.sampled_from(('GOTO="one"', 'GOTO="two"', 'LABEL="one"', 'LABEL="two"'))
LINE = st.builds(
    lambda matched, more: ", ".join((*matched, *more)),
    st.lists(st.one_of(MATCHES, MATCHES, IMPORTS), max_size=3),
    st.lists(st.one_of(ASSIGNMENTS, ASSIGNMENTS, WRITES, JUMPS), min_size=1, max_size=2),
)
FILES = st.dictionaries(
    st.sampled_from(("10-a.rules", "60-b.rules", "77-c.rules", "90-d.rules")),
    st.lists(LINE, min_size=1, max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines)),
    min_size=1,
)


def foretold(rules, sliced=True, **changes):
    sriov_forecast._known_sets.clear()
    if sliced:
        return udev.parse(bundle(rules, **changes)).forecasts
    with (
        mock.patch.object(udev_rule_set, "needed", lambda played, _builtins: played),
        mock.patch.object(udev_rule_set, "reached", lambda played: played),
    ):
        found = udev.parse(bundle(rules, **changes)).forecasts
    sriov_forecast._known_sets.clear()
    return found


@settings(deadline=None)  # the machine may be busy
@given(FILES, st.sampled_from((f'ACTION=="add", SUBSYSTEM=="net", ENV{{A}}=="2", {WRITE}\n', f"{WRITE}\n", "")))
def test_slicing_changes_no_word(files, last):
    files = files | ({"95-last.rules": last} if last else {})
    assert foretold(files) == foretold(files, sliced=False)


@pytest.mark.parametrize(("rule", "name", "_on_252", "_on_257"), MATRIX)
def test_slicing_changes_no_word_of_what_was_measured(rule, name, _on_252, _on_257):
    for systemd in (252, 257):
        assert foretold({name: rule}, systemd=systemd) == foretold({name: rule}, sliced=False, systemd=systemd)


SETS, NEEDS = 'SUBSYSTEM=="net", ENV{A}="2"\n', f'{NET}, ENV{{A}}=="2", {WRITE}\n'


@pytest.mark.parametrize(
    ("text", "late"),
    [
        (f'ENV{{A}}="2"\n{NET}, ATTR{{device/sriov_numvfs}}="$env{{A}}"\n', 2),
        (f'ENV{{A}}="x"\nENV{{A}}+="y"\n{NET}, ENV{{A}}=="x y", {WRITE}\n', 2),
        (f'SUBSYSTEM=="net", GOTO="end"\n{WRITE}\nLABEL="end"\n', 0),
        (f'SUBSYSTEM=="block", ATTR{{sriov_numvfs}}="2", GOTO="end"\n{SETS}LABEL="end"\n{NEEDS}', 2),
        (f'KERNELS=="none", GOTO="end"\n{SETS}LABEL="end"\n{NEEDS}', 2),
        (f'TEST=="sriov_totalvfs", GOTO="end"\n{SETS}LABEL="end"\n{NEEDS}', 2),
        (f'ENV{{B}}=="1", GOTO="end"\nGOTO="other"\n{SETS}LABEL="end"\nLABEL="other"\n{NEEDS}', 0),
    ],
)
def test_slicing_keeps_what_rules_leave_for_others(text, late):
    (found,) = foretold({"90-a.rules": text})
    assert found.late == late
    assert (found,) == foretold({"90-a.rules": text}, sliced=False)


READS_LATER = (
    f'{WRITE}\nATTR{{device/sriov_numvfs}}=="0", ENV{{B}}="x"\nENV{{B}}=="x", ATTR{{device/sriov_numvfs}}="3"\n'
)


@pytest.mark.parametrize("reads", ['TEST=="device/$env{A}"', 'ATTR{device/$name}=="0"', 'ATTRS{$name}=="0"'])
def test_who_reads_the_attribute_first_counts_by_whatever_name(reads):
    sets = 'SUBSYSTEM=="net", ENV{A}="sriov_numvfs", NAME="sriov_numvfs"\n'
    files = {"90-a.rules": f'{sets}{reads}, MODE="0600"\nSUBSYSTEM!="net", GOTO="end"\n{READS_LATER}LABEL="end"\n'}
    assert foretold(files) == foretold(files, sliced=False)


def played(*texts, action="add", builtins=None):
    """The text of every rule that is played when a NIC is added."""
    rules = [rule for n, text in enumerate(texts) for rule in parse_file(f"{n}.rules", text)]
    device = Device("devices/pci0000:00/0000:00:02.0/net/eth0", ("eth0",), "net")
    event = Event(action, (device,), {}, builtins or {"net_driver": {"ID_NET_DRIVER": "igb"}})
    chosen = udev_rule_set.RuleSet(rules, "sriov_numvfs").for_event(event)
    return [rule.text if parts else f"only {rule.label}" for rule, parts in chosen]


def test_what_others_set_in_vain_is_not_played():
    defaults = rule_files().values()
    assert played(*defaults, f'KERNELS=="{PF}", {WRITE}\n') == [f'KERNELS=="{PF}", {WRITE}']
    by_driver = f'ENV{{ID_NET_DRIVER}}=="igb", {WRITE}'
    assert played(*defaults, by_driver) == ['SUBSYSTEM=="net", IMPORT{builtin}="net_driver"', by_driver]


def test_a_goto_is_played_with_its_label_when_it_may_jump_over_something_that_counts():
    text = f'KERNEL!="eth*", GOTO="end"\nMODE="0600"\n{WRITE}\nMODE="0600"\nLABEL="end"\nLABEL="end"\n'
    assert played(text) == ['KERNEL!="eth*", GOTO="end"', WRITE, "only end"]
    assert played(f'KERNEL!="eth*", GOTO="end"\nMODE="0600"\nLABEL="end"\n{WRITE}\n') == [WRITE]


def test_what_a_sure_goto_jumps_over_is_not_played():
    sets = 'SUBSYSTEM!="block", GOTO="end"\nIMPORT{program}="/bin/x"\nLABEL="end"\n'
    reads = f'ENV{{A}}=="2", {WRITE}'
    assert played(sets, reads) == [reads]
    assert len(played(sets.replace("block", "net"), reads)) == 2
    unsure = f'ENV{{B}}=="x", GOTO="middle"\n{sets}'.replace("IMPORT", 'LABEL="middle"\nIMPORT')
    assert len(played(unsure, reads)) == 6
