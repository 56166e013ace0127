"""The name predictor against real guests: QEMU's PCI layouts, Debian 12's and 13's kernel and udev."""

from __future__ import annotations

import pytest

from checks import test_nic_names as statements
from checks.linux.naming_scheme import scheme_of
from checks.name_clashes import shared, wishes
from checks.outcome import collected_advice
from tests.lab.name_matrix import Booted, agrees, cases, run
from tests.lab.name_topologies import TOPOLOGIES, Topology

pytestmark = pytest.mark.lab


def titled(title: str) -> Topology:
    return next(one for one in TOPOLOGIES if one.title == title)


ONE_SLOT_NUMBER = titled("i440fx, slot 3 of the root bus and of a pci-bridge")
TWO_BRIDGES = titled("q35, two pcie-to-pci-bridges")
ACPI_INDEX = titled("q35, acpi index on a root port and on the root bus")
ROOT_PORTS = titled("q35, root ports")


def offered(nic) -> tuple[str | None, ...]:
    return tuple(nic.property(f"ID_NET_NAME_{kind}") for kind in ("ONBOARD", "SLOT", "PATH"))


def as_udev_says(booted: Booted) -> None:
    """What we work out from sysfs is what udev exports; a NIC that could not be renamed has no properties."""
    scheme = scheme_of(booted.scheme)
    assert scheme is not None
    for nic in booted.nics:
        if nic.property("ID_NET_NAME_PATH"):
            ours = booted.naming.offers_to(nic, scheme)
            assert ours is not None
            assert (ours.onboard, ours.slot, ours.path) == offered(nic), f"{nic.name} at {nic.pci_address}"


def judged(booted: Booted) -> list[str]:
    """The statement about the names; it holds, with this advice."""
    with collected_advice() as advice:
        statements.test_nic_names_follow_from_the_domain("guest", booted.nics, booted.naming, booted.domain)
    return advice


def foretold_clashes(booted: Booted) -> list[str]:
    with collected_advice() as advice:
        statements.test_no_two_nics_want_one_name("guest", booted.nics, booted.naming)
    return advice


def test_a_collision_is_foretold_on_debian_12_and_there_on_debian_13():
    before, after = run(ONE_SLOT_NUMBER, "bookworm"), run(ONE_SLOT_NUMBER, "trixie")
    as_udev_says(before)
    as_udev_says(after)
    assert sorted(before.given().values()) == ["enp1s3", "ens3"]
    assert agrees(before.given(), before.foretold())
    assert judged(before) == []
    [advice] = foretold_clashes(before)
    assert advice.startswith("guest: ens3 will be wanted by 52:54:00:77:50:00 at 0000:00:03.0 (now ens3) and ")
    # And so it is.
    assert sorted(name[:3] for name in after.given().values()) == ["ens", "eth"]
    assert agrees(after.given(), after.foretold())
    with pytest.raises(AssertionError, match=r"ens3 is wanted by 52:54:00:77:50:0. at 0000:0[01]:03.0"):
        foretold_clashes(after)


def test_the_first_of_two_bridges_owns_the_slot_numbers():
    booted = run(TWO_BRIDGES, "bookworm")
    as_udev_says(booted)
    assert list(booted.given().values()) == ["ens1", "ens5", "enp4s1", "enp4s2"]
    assert agrees(booted.given(), booted.foretold())
    assert judged(booted) == []


def test_an_acpi_index_names_the_nic():
    booted = run(ACPI_INDEX, "trixie")
    as_udev_says(booted)
    assert sorted(booted.given().values()) == ["eno7", "eno8"]
    assert agrees(booted.given(), booted.foretold())
    assert judged(booted) == []
    assert foretold_clashes(booted) == []


def test_a_link_file_and_a_rule_that_name_nics_are_recognised():
    first, second = ROOT_PORTS.mac(0), ROOT_PORTS.mac(1)
    link = f"[Match]\nMACAddress={first}\n[Link]\nNamePolicy=slot\nName=lan0\n"
    rule = f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{second}", NAME="wan0"\n'
    files = {"/etc/systemd/network/10-lan.link": link, "/etc/udev/rules.d/70-persistent-net.rules": rule}
    booted = run(ROOT_PORTS, "bookworm", files=files)
    assert booted.given() == {first: "lan0", second: "wan0"}
    assert judged(booted) == [
        f"guest: wan0 ({second}) is named by /etc/udev/rules.d/70-persistent-net.rules, and not by its place"
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("topology", "release", "scheme"),
    [pytest.param(*case, id=f"{case[0].title}-{case[1]}-{case[2]}") for case in cases()],
)
def test_names_are_as_foretold(topology, release, scheme):
    booted = run(topology, release, scheme=scheme)
    as_udev_says(booted)
    judged(booted)
    known = scheme_of(booted.scheme)
    assert known is not None
    wanted = wishes(booted.nics, booted.naming, known)
    clashes = shared(wanted)
    assert {mac for mac, name in booted.given().items() if name.startswith("eth")} <= {
        wish.nic.permanent_mac for those in clashes.values() for wish in those
    }
    if not topology.qemu_only:
        assert agrees(booted.given(), booted.foretold()), booted.rows()
    # From what the guest shows the names follow in every case.
    lost = {wish.nic.permanent_mac for wish in wanted if wish.name != wish.nic.name}
    assert len(lost) == sum(len(those) - 1 for those in clashes.values())


@pytest.mark.long
@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_vfs_in_the_guest_of_their_pf_are_named_after_it(release):
    rule = 'ACTION=="add", SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="igb", ATTR{device/sriov_numvfs}="2"\n'
    topology = titled("q35, igb behind a root port")
    booted = run(topology, release, files={"/etc/udev/rules.d/81-vfs.rules": rule})
    names = {nic.name for nic in booted.nics if nic.pci_address}
    assert names == {f"enp{n}s0{vf}" for n in (1, 2) for vf in ("", "v0", "v1")}
    foretold_clashes(booted)
