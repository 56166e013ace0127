"""What a running guest shows of its NICs' names: schemes, udev's net_id, .link files and rules that name."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks.bundle import Bundle
from checks.facts import nic_naming, nics
from checks.linux.naming_scheme import scheme_of
from checks.linux.net_id import Bus, Offers, offers, port_suffix
from checks.linux.nic_name_makers import LinkFile, link_file, name_rules, named_by_rule
from checks.outcome import CouldNotLook
from tests.checks.guest_samples import MAC_1, NICS, guest

OWN, BEHIND, ROOT = "0000:01:03.0", ("0000:00:05.0", "0000:01:03.0"), ("0000:00:03.0",)


def scheme(name):
    found = scheme_of(name)
    assert found is not None
    return found


def offered(path, bus, name="v252", suffix=""):
    found = offers(path, bus, scheme(name), suffix)
    assert found is not None
    return found


def test_schemes_that_are_known():
    assert [scheme(f"v{n}").zero_index for n in (239, 240)] == [False, True]
    assert [scheme(f"v{n}").wide_index for n in (247, 249)] == [False, True]
    assert [scheme(f"v{n}").skips_bridges for n in (245, 247, 251, 255)] == [False, True, True, True]
    assert [scheme(f"v{n}").multifunction_behind_bridges for n in (250, 251, 254, 255)] == [False, True, True, False]
    assert [scheme(f"v{n}").sun for n in (255, 257, 258)] == [False, True, True]
    assert [scheme(f"rhel-8.{n}").skips_bridges for n in (0, 3, 4)] == [False, False, True]
    assert [scheme(f"rhel-8.{n}").wide_index for n in (6, 7)] == [False, True]
    assert (scheme("rhel-9.0").number, scheme("rhel-9.4").multifunction_behind_bridges) == (250, True)
    assert scheme("sle15-sp3").skips_bridges


@pytest.mark.parametrize("name", [None, "", "latest", "v1", "v237", "v999", "rhel-10.0", "rhel-8", "v252 "])
def test_schemes_that_are_not(name):
    assert scheme_of(name) is None


def test_a_slots_own_directory_names_and_a_duplicates_does_not():
    slots = {"3": "0000:00:03", "3-2": "0000:01:03", "0": "0000:02:00"}
    assert offered(ROOT, Bus(slots=slots)) == Offers(None, "ens3", "enp0s3")
    assert offered(BEHIND, Bus(slots=slots)) == Offers(None, None, "enp1s3")
    assert offered(("0000:00:02.0", "0000:02:00.0"), Bus(slots=slots)) == Offers(None, None, "enp2s0")


def test_the_acpi_number_counts_on_every_bus_from_v257():
    bus = Bus(slots={"3": "0000:00:03", "3-2": "0000:01:03"}, suns={OWN: 3, "0000:00:03.0": 3})
    assert offered(BEHIND, bus, "v255").slot is None
    assert offered(BEHIND, bus, "v257").slot == "ens3"


def test_a_bridges_acpi_number_is_for_devices_with_several_functions():
    bus = Bus(suns={"0000:00:05.0": 5, OWN: 0})
    assert offered(BEHIND, bus, "v257").slot is None
    assert offered(BEHIND, Bus(frozenset({OWN, "0000:01:03.1"}), suns={"0000:00:05.0": 5}), "v257").slot == "ens5f0"


def test_a_slot_that_holds_a_bridge_names_by_scheme():
    bus = Bus(slots={"5": "0000:00:05"})
    several = Bus(frozenset({OWN, "0000:01:03.1"}), slots={"5": "0000:00:05"})
    assert [offered(BEHIND, bus, name).slot for name in ("v245", "v247", "v252", "v255")] == ["ens5", None, None, None]
    assert [offered(BEHIND, several, name).slot for name in ("v247", "v252", "v255")] == [None, "ens5f0", None]


def test_an_index_names_within_the_schemes_bounds():
    def onboard(index, name):
        return offered(ROOT, Bus(indexes={ROOT[0]: index}), name).onboard

    assert (onboard(7, "v238"), onboard(0, "v239"), onboard(0, "v240")) == ("eno7", None, "eno0")
    assert (onboard(16384, "v247"), onboard(16384, "v249"), onboard(65536, "v257")) == (None, "eno16384", None)


def test_domains_functions_and_ports_are_in_the_name():
    assert offered(("0001:3d:1f.2",), Bus()).path == "enP1p61s31f2"
    assert offered(("0000:00:04.0",), Bus(frozenset({"0000:00:04.0", "0000:00:04.1"}))).path == "enp0s4f0"
    assert offered(("0000:00:04.0",), Bus(), suffix="np0").path == "enp0s4np0"
    assert [port_suffix(*one) for one in (("p0", "1"), (None, "1"), (None, "0"), (None, None))] == ["np0", "d1", "", ""]


def test_a_name_that_is_too_long_gives_way_to_the_next():
    long = Offers("eno12345np0sf8888", "ens3", "enp0s3")
    assert long.chosen() == "ens3"
    assert Offers(None, None, "enP65535p255s31f7").chosen() is None
    assert long.chosen(("path", "slot")) == "enp0s3"


def test_what_is_no_pci_address_gets_no_name():
    assert offers((), Bus(), scheme("v252")) is None
    assert offers(("usb1",), Bus(), scheme("v252")) is None


PLACE = Offers("eno1", None, "enp1s0")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[Link]\nNamePolicy=keep kernel slot path\nName=lan0\n", "enp1s0"),
        ("[Link]\nNamePolicy=slot\nName=lan0\n", "lan0"),
        ("[Link]\nName=lan0\n", "lan0"),
        ("[Link]\nNamePolicy=mac\n", "enx525400770010"),
        ("[Link]\nNamePolicy=path\nNamePolicy=\n", None),
        ("[Match]\nName=lan0\n[Link]\nMTUBytes=9000\n", None),
    ],
)
def test_a_link_file_names_by_policy_first(text, name):
    found = link_file("/etc/systemd/network/10.link", {"/etc/systemd/network/10.link": text})
    assert found is not None
    assert found.name_of(PLACE, MAC_1) == name


def test_drop_ins_of_a_link_file_come_on_top():
    base, above = "/usr/lib/systemd/network/99-default.link", "/etc/systemd/network/99-default.link.d/10.conf"
    texts = {base: "[Link]\nNamePolicy=path\n", above: "[Link]\nNamePolicy=\nName=x0\n"}
    assert link_file(base, texts, (above,)) == LinkFile(base, (), "x0")
    assert link_file("/etc/other.link", texts) is None


RULES = {
    "/usr/lib/udev/rules.d/80-net-setup-link.rules": 'NAME=="", ENV{ID_NET_NAME}!="", NAME="$env{ID_NET_NAME}"\n',
    "/etc/udev/rules.d/70-net.rules": f'# NAME="no"\nATTR{{address}}=="{MAC_1.upper()}", NAME:="lan0"\nNAME="port%n"\n',
}


def test_rules_that_name_are_found_but_for_systemds_own():
    assert [(rule.name, rule.mac) for rule in name_rules(RULES)] == [("lan0", MAC_1), ("port%n", None)]


def test_the_rule_behind_a_name():
    rules = name_rules(RULES)
    found = named_by_rule(rules, "lan0", MAC_1)
    assert found is not None
    assert found.path == "/etc/udev/rules.d/70-net.rules"
    assert named_by_rule(rules, "lan0", "52:54:00:00:00:01") is None
    assert named_by_rule(rules, "port3", "52:54:00:00:00:01") is not None
    assert named_by_rule(rules, "enp1s0", MAC_1) is None


def test_facts_of_a_guest():
    found = nic_naming.parse(
        guest(
            files={
                "/sys/bus/pci/slots/3/address": "0000:01:00\n",
                "/sys/bus/pci/devices/0000:01:00.0/index": "4\n",
                "/sys/bus/pci/devices/0000:01:00.0/acpi_index": "9\n",
                "/sys/class/net/enp1s0/dev_port": "1\n",
                "/sys/class/net/enp2s0/phys_port_name": "p1\n",
            },
            cmdline="net.naming_scheme=v240 net.naming_scheme=v252\n",
        )
    )
    assert found.bus.slots == {"3": "0000:01:00"}
    assert found.bus.indexes == {"0000:01:00.0": 9}
    assert found.suffixes == {"enp1s0": "d1", "enp2s0": "np1"}
    assert found.pinned == "v252"


@given(st.text(), st.text(), st.text(), st.text())
@example("", "0\x1f", "", "")  # str.strip() takes the separator off, and int() does not
def test_any_text_gives_facts(slot, number, link, rule):
    files = {
        "/sys/bus/pci/slots/3/address": slot,
        "/sys/bus/pci/devices/0000:01:00.0/firmware_node/sun": number,
        "/sys/class/net/enp1s0/dev_port": number,
        "/etc/systemd/network/10.link": f"[Link]\n{link}",
        "/etc/udev/rules.d/70.rules": f'NAME="{rule}"',
    }
    try:
        naming = nic_naming.parse(guest(NICS[:1], files=files))
    except CouldNotLook:
        return
    for name in ("v238", "v252", "v257"):
        for nic in nics.parse(guest(NICS[:1])):
            naming.wanted_name(nic, scheme(name))


def test_a_bundle_from_before_is_not_known():
    with pytest.raises(CouldNotLook):
        nic_naming.parse(Bundle.of("guest-1", denied=("/sys",)))
