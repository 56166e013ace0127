"""systemd's .link files: the order of reading, [Match], and the number of VFs. Texts follow man systemd.link (257)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.facts import persistence
from checks.linux import systemd_link
from checks.linux.sriov_nic import SriovNic
from checks.linux.systemd_files import reading_order, settings
from checks.outcome import CouldNotLook
from tests.checks.persistence_host import LINKS, NIC, bundle, claims
from tests.checks.test_vfs import PF

BODY = "\n[Link]\nNamePolicy=keep\nSR-IOVVirtualFunctions=2\n"
LIB = "/usr/lib/systemd/network"


def holds(match, boot="late", nic=NIC, **parameters):
    own = settings("10-x.link", f"[Match]\n{match}\n")
    return systemd_link.fit(systemd_link.conditions_of(own), nic, boot, parameters).holds


@pytest.mark.parametrize(
    ("match", "verdict"),
    [
        (f"Path=pci-{PF}", True),
        ("Path=pci-0000:01:00.*", True),
        ("Path=pci-0000:02:00.0", False),
        (f"Path=pci-0000:02:00.0 pci-{PF}", True),
        (f"Path=!pci-{PF}", False),
        ("Path=!pci-0000:02:00.0 pci-0000:03:00.0", True),
        (f"Path=!pci-0000:02:00.0 pci-{PF}", False),
        ("Driver=igb", True),
        ("Driver=ixgbe", False),
        ("Driver=ig*\nDriver=", False),  # taken back: nothing is left to match
        ("Driver=ixgbe\nDriver=igb", True),
        ("Driver=igb \\\n# between\n  ixgbe", True),
        ("MACAddress=52:54:00:00:00:01", True),
        ("MACAddress=52-54-00-00-00-01", True),
        ("MACAddress=5254.0000.0001", True),
        ("PermanentMACAddress=52:54:00:00:00:02", False),
        ("PermanentMACAddress=52:54:00:00:00:02 52:54:00:00:00:01", True),
        ("Type=ether", True),
        ("Type=wlan", False),
        ("Kind=bond", False),
        ("Kind=!bond", True),
        (f"Property=ID_PATH=pci-{PF}", True),
        ("Property=ID_PATH=pci-0000:09:00.0", False),
        ("Property=!ID_PATH=pci-0000:09:00.0", True),
        (f"Property=ID_PATH=pci-{PF} ID_NOT=1", False),
        ("Property=ID_NET_DRIVER=igb", None),  # since systemd 255 it is set by then, before it is not
        (f"Driver=igb\nPath=pci-{PF}\nType=wlan", False),
        ("Virtualization=no", None),
        ("Virtualization=no\nDriver=ixgbe", False),
        ("KernelCommandLine=quiet", False),
        ("KernelCommandLine=!quiet", True),
        ("OriginalName=*", True),
        ("OriginalName=eth*", True),
        ("OriginalName=eth0", None),
        ("OriginalName=enp1s0", False),
        ("OriginalName=!lo", True),
        ("", False),
    ],
)
def test_match_as_systemd_does(match, verdict):
    assert holds(match) is verdict


def test_the_name_is_final_where_the_initramfs_has_renamed():
    assert holds("OriginalName=enp1s0", boot="early") is True
    assert holds("OriginalName=eth*", boot="early") is False
    assert holds("KernelCommandLine=quiet", quiet="") is True


def test_what_is_not_known_is_not_decided():
    assert holds("Path=pci-0000:01:00.0", nic=SriovNic(PF, ("eth0",), "igb")) is None
    assert holds("MACAddress=52:54:00:00:00:01", nic=SriovNic(PF, ("eth0",), "igb")) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[Link]\nSR-IOVVirtualFunctions=4\n", 4),
        ("[Link]\nSR-IOVVirtualFunctions=0\n", 0),
        ("[Link]\nSR-IOVVirtualFunctions=0x10\n", 16),
        ("[Link]\nSR-IOVVirtualFunctions=four\n", None),
        ("[Link]\nSR-IOVVirtualFunctions=4294967295\n", None),
        ("[Link]\nSR-IOVVirtualFunctions=4\nSR-IOVVirtualFunctions=\n", None),
        ("[Link]\nSR-IOVVirtualFunctions=4 # four\n", None),
        ("[Match]\nSR-IOVVirtualFunctions=4\n", None),
        ("[SR-IOV]\nVirtualFunction=3\n", 4),
        ("[SR-IOV]\nVirtualFunction=0\n[SR-IOV]\nVirtualFunction=5\n[SR-IOV]\nVLANId=9\n", 6),
        ("[Link]\nSR-IOVVirtualFunctions=2\n[SR-IOV]\nVirtualFunction=5\n", 2),
        ("#[Link]\n;SR-IOVVirtualFunctions=4\n", None),
    ],
)
def test_the_number_of_vfs(text, count):
    found = systemd_link.wanted_vfs(settings("10-x.link", text))
    assert (found and found.count) == count


def test_the_order_of_reading_and_what_hides_what():
    texts = {f"{LINKS}/20-b.link": "x", f"{LIB}/20-b.link": "y", f"{LIB}/10-a.link": "z", f"{LINKS}/30-c.link": ""}
    links = {"/run/systemd/network/10-a.link": "/dev/null"}
    read, hidden = reading_order(texts, links, (LINKS, "/run/systemd/network", LIB))
    assert read == (f"{LINKS}/20-b.link",)
    assert {item.path for item in hidden} == set(texts) - set(read) | set(links)


def only(files, **changes):
    (claim,) = claims(files, **changes)
    return claim


def test_the_first_file_that_matches_counts():
    wanted = {f"{LINKS}/50-b.link": f"[Match]\nPath=pci-{PF}{BODY}"}
    assert only(wanted).effective is True
    assert only(wanted).where == f"{LINKS}/50-b.link:5"
    other = {f"{LINKS}/10-a.link": "[Match]\nDriver=igb\n[Link]\nMTUBytes=9000\n"}
    assert "10-a.link sorts before it and matches too" in only(wanted | other).reason
    assert only(wanted | {f"{LINKS}/10-a.link": "[Match]\nDriver=i40e\n[Link]\nMTUBytes=9000\n"}).effective is True
    doubtful = only(wanted | {f"{LINKS}/10-a.link": "[Match]\nVirtualization=no\n[Link]\nMTUBytes=9000\n"})
    assert (doubtful.effective, "10-a.link matches this NIC cannot be told" in doubtful.reason) == (None, True)


def test_a_drop_in_makes_vfs_by_the_default_file():
    text = "[Link]\nSR-IOVVirtualFunctions=3\n"
    claim = only({f"{LINKS}/99-default.link.d/vfs.conf": text})
    assert (claim.effective, claim.count, claim.advice) == (True, 3, ())
    assert not claims({f"{LINKS}/99-other.link.d/vfs.conf": text})


def test_a_masked_file_makes_none():
    wanted = {f"{LIB}/50-b.link": f"[Match]\nPath=pci-{PF}{BODY}"}
    assert only(wanted).effective is True
    masked = only(wanted, links={f"{LINKS}/50-b.link": "/dev/null"})
    assert (masked.effective, "same name replaces it" in masked.reason) == (False, True)


def test_versions_and_drivers_that_make_none():
    wanted = {f"{LINKS}/50-b.link": f"[Match]\nPath=pci-{PF}{BODY}"}
    assert "systemd 250 does not" in only(wanted, systemd="250 (250.3-1)").reason
    assert only(wanted, systemd="251~rc1").effective is True
    assert only(wanted, systemd="unknown").effective is None


def test_a_file_for_another_nic_is_no_claim():
    assert not claims({f"{LINKS}/50-b.link": f"[Match]\nPath=pci-0000:05:00.0{BODY}"})
    assert not claims({f"{LINKS}/50-b.link": f"[Match]\nMACAddress=52:54:00:00:00:99{BODY}"})


@given(st.text(max_size=200), st.sampled_from(["[Match]\n", "[Link]\n", "[SR-IOV]\n", ""]))
def test_any_text_is_read_without_an_error_of_another_kind(text, section):
    paths = [f"{LINKS}/10-a.link", f"{LINKS}/99-default.link.d/a.conf", f"{LINKS}/10-a.network", "/run/udev/data/n2"]
    with contextlib.suppress(CouldNotLook):
        persistence.parse(bundle(dict.fromkeys(paths, section + text), sieved=False))
    with contextlib.suppress(CouldNotLook):
        persistence.parse(bundle({}, systemd=text, sieved=False))


def acting(files, boot):
    """The counts of the .link files that act, in order."""
    found = claims({f"{LINKS}/{name}": text for name, text in files.items()})
    return [claim.count for claim in found if claim.effective and claim.boot in (None, boot)]


def by_name(name, count, more="NamePolicy=keep kernel path"):
    return f"[Match]\nOriginalName={name}\n[Link]\n{more}\nSR-IOVVirtualFunctions={count}\n"


def test_a_nic_that_udevd_renames_meets_the_files_twice():
    """Seen with the emulated 82576 under systemd 252: the event "move" has a .link file too."""
    final = {"10-a.link": by_name("enp1s0", 2)}
    assert acting(final, "late") == acting(final, "early") == [2]
    both = {"10-a.link": by_name("enp1s0", 2), "20-b.link": by_name("eth*", 4)}
    assert acting(both, "late") == [4, 2]  # first under the kernel's name
    assert acting(both, "early") == [2]


def test_a_nic_that_keeps_the_kernels_name_meets_them_once():
    keeps = {"10-a.link": by_name("enp1s0", 2), "20-b.link": by_name("eth*", 4, "NamePolicy=keep kernel")}
    assert acting(keeps, "late") == [4]
    nameless = {"10-a.link": by_name("enp1s0", 2), "20-b.link": by_name("eth*", 4, "")}
    assert acting(nameless, "late") == [4]


def test_a_name_given_by_a_file_is_the_one_that_is_compared_next():
    given = {"10-a.link": by_name("uplink", 2), "20-b.link": by_name("eth*", 4, "Name=uplink")}
    assert acting(given, "late") == [4, 2]
    other = {"10-a.link": by_name("enp1s0", 2), "20-b.link": by_name("eth*", 4, "Name=uplink")}
    assert acting(other, "late") == [4]


def test_whether_a_nic_is_renamed_may_not_be_known():
    doubtful = "[Match]\nVirtualization=no\n[Link]\nNamePolicy=keep kernel\n"
    files = {f"{LINKS}/10-a.link": by_name("enp1s0", 2), f"{LINKS}/20-b.link": doubtful}
    (late,) = (claim for claim in claims(files) if claim.boot == "late")
    assert late.effective is None
