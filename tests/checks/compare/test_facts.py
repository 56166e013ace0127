"""Facts laid side by side: what changed, who a NIC is, what most likely did it, and what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.compare import causes
from checks.compare.causes import Cause, Effect, effect, own_cause
from checks.compare.changes import Change, changes, identities
from checks.compare.entries import entries
from checks.compare.facts import facts_of
from checks.compare.features import features
from checks.compare.identity import NicIdentity, nics_of, paired, with_their_vfs
from checks.outcome import CouldNotLook
from tests.checks.compare.made_runs import GUEST, HOST, cut_off, loaded, sample

VF = NicIdentity(mac="52:54:00:00:00:01", name="enp1s0v0", address="0000:01:10.0", pf="0000:01:00.0", vf=0)


def sections(data: bytes, folder: Path) -> dict[str, object]:
    return dict(features(facts_of(loaded(data, folder))))


def test_the_samples_hold_what_is_worth_comparing(tmp_path: Path) -> None:
    found = sections(sample(HOST), tmp_path)
    assert not [part for part in found.values() if isinstance(part, CouldNotLook)]
    keys = {what for part in found.values() if isinstance(part, dict) for _, what in part}
    assert {"kernel", "driver", "VFs", "admin_mac", "default domain", "VFs after the next boot", "devices"} <= keys
    of_guest = sections(sample(GUEST), tmp_path)
    assert "PFs and VFs" not in of_guest, "nobody asked a guest for PFs: that is no section that could not be read"
    keys = {what for part in of_guest.values() if isinstance(part, dict) for _, what in part}
    assert {"fail_over_mac", "longest outage foretold", "gratuitous ARPs foretold", "name after the next start"} <= keys


def test_a_nic_is_known_by_a_chain_from_its_mac_to_its_iommu_group(tmp_path: Path) -> None:
    host, guest = (nics_of(facts_of(loaded(sample(name), tmp_path))) for name in (HOST, GUEST))
    joined = {nic.name: str(nic) for nic in with_their_vfs(guest, host)}
    assert joined["enp1s0"] == (
        "52:54:00:29:95:26 → enp1s0 → 0000:01:00.0, on the host 0000:01:10.0 → VF 0 of 0000:01:00.0 → IOMMU group 10 "
        "with nobody"
    )
    assert joined["enp3s0"] == "52:54:00:88:b8:69 → enp3s0 → 0000:03:00.0"
    assert {nic.name for nic in host if nic.random_mac} == {"enp1s0v1", "enp2s0v1"}
    assert with_their_vfs(guest, CouldNotLook("no")) == tuple(guest)


@pytest.mark.parametrize(
    ("after", "what", "is_effect"),
    [
        ({"name": "ens1v0"}, "name", "breaks"),
        ({"address": "0000:01:10.2"}, "PCI address", "breaks"),
        ({"vf": 1}, "VF", "breaks"),
        ({"mac": "52:54:00:00:00:02"}, "MAC", "look"),
        ({"mac": "02:00:00:00:00:02", "random_mac": True}, "MAC that nobody chose", "expected"),
    ],
)
def test_a_link_of_the_chain_that_changes(after: dict[str, object], what: str, is_effect: Effect) -> None:
    (found,) = identities("kvm-1", [VF], [VF.model_copy(update=after)], frozenset(), frozenset())
    assert (found.what, found.effect, found.chain_before) == (what, is_effect, str(VF))


def test_company_in_an_iommu_group_counts_and_its_number_does_not() -> None:
    one = VF.model_copy(update={"group": 10, "shares": "nobody"})
    other = VF.model_copy(update={"group": 14, "shares": "0000:01:10.2"})
    found = {change.what: change.effect for change in identities("h", [one], [other], frozenset(), frozenset())}
    assert found == {"shares its IOMMU group with": "breaks", "number of its IOMMU group": "expected"}
    (back, _) = identities("h", [other], [one], frozenset(), frozenset())
    assert back.effect == "look", "to be alone again breaks nothing"


def test_a_nic_that_is_gone_breaks_something_and_a_new_one_deserves_a_look() -> None:
    (gone,) = identities("h", [VF], [], frozenset(), frozenset())
    (new,) = identities("h", [], [VF], frozenset(), frozenset())
    assert [(one.before, one.after, one.effect) for one in (gone, new)] == [
        ("there", None, "breaks"),
        (None, "there", "look"),
    ]


def test_nics_are_found_again_by_mac_then_place_then_name() -> None:
    moved = VF.model_copy(update={"address": "0000:41:10.0"})
    assert list(paired([VF], [moved])) == [(VF, moved)]
    other_mac = VF.model_copy(update={"mac": "52:54:00:00:00:09"})
    assert list(paired([VF], [other_mac])) == [(VF, other_mac)]
    twins = [VF, VF.model_copy(update={"address": "0000:01:10.2", "name": None})]
    assert list(paired(twins, twins)) == [(one, one) for one in twins], "one MAC twice is no identity"


def test_what_is_behind_a_guests_nic_is_put_down_to_its_host() -> None:
    one = NicIdentity(mac=VF.mac, name="ens1", pf="0000:01:00.0", vf=0, host_address="0000:01:10.0")
    other = one.model_copy(update={"vf": 1, "name": "eth0"})
    found = {c.what: c.cause for c in identities("g", [one], [other], frozenset({"systemd"}), frozenset({"driver"}))}
    assert found == {"name": "systemd", "VF": "driver"}
    blind = one.model_copy(update={"pf": None, "vf": None, "host_address": None})
    assert not list(identities("g", [one], [blind], frozenset(), frozenset())), "the host was not looked at: not gone"


@pytest.mark.parametrize(
    ("section", "what", "before", "after", "means"),
    [
        ("PFs and VFs", "VFs", "4", "2", "breaks"),
        ("PFs and VFs", "VFs", "2", "4", "look"),
        ("PFs and VFs", "VFs", "4", None, "breaks"),
        ("PFs and VFs", "trust", "True", "False", "breaks"),
        ("PFs and VFs", "driver", "i40evf", "iavf", "look"),
        ("PFs and VFs", "up", "True", "False", "breaks"),
        ("PFs and VFs", "firmware", "8.1", "9.2", "expected"),
        ("next boot", "VFs after the next boot", "4", "4 or 0", "breaks"),
        ("next boot", "VFs after the next boot", "4", "not known", "breaks"),
        ("next boot", "VFs after the next boot", "0", "4", "look"),
        ("next boot", "kernel", "6.1", "6.12", "expected"),
        ("failovers", "longest outage foretold", "250 ms", "1250 ms", "breaks"),
        ("failovers", "longest outage foretold", "250 ms", "no end", "breaks"),
        ("failovers", "longest outage foretold", "no end", "250 ms", "look"),
        ("failovers", "gratuitous ARPs foretold", "3, 200 ms apart", "1", "breaks"),
        ("failovers", "gratuitous ARPs foretold", "1", "2 to 3, 200 ms apart", "look"),
        ("bonds", "slaves", "ens1, ens2", "ens2", "breaks"),
        ("IOMMU", "units", "dmar0", "none", "breaks"),
        ("versions", "kernel", "6.1", "6.12", "expected"),
        ("versions", "libvirt", "9.0", None, "look"),
        ("kernel parameters", "intel_iommu", "on", None, "look"),
    ],
)
def test_what_a_change_means(section: str, what: str, before: str, after: str | None, means: Effect) -> None:
    assert effect(section, what, (before, after)) == means


@pytest.mark.parametrize(
    ("versions", "cause"),
    [
        (("6.12.117+deb13-amd64", "6.19.7+deb14-amd64"), "kernel"),
        (("5.15.0-91-generic", "6.8.0-31-generic"), "kernel"),
        (("2.25.11", "2.26.8"), "driver"),
        (("6.12.117+deb13-amd64", "2.26.8"), "driver"),
    ],
)
def test_a_driver_of_the_kernels_own_has_its_version(versions: tuple[str, str], cause: Cause) -> None:
    assert own_cause("PFs and VFs", "driver version", versions) == cause


def test_a_change_is_put_down_to_the_likeliest_that_has_another_version() -> None:
    kernel = {"versions": {("machine", "kernel"): "6.1"}}, {"versions": {("machine", "kernel"): "6.12"}}
    has_moved = causes.moved(*kernel)
    assert has_moved == {"kernel"}
    assert causes.cause("PFs and VFs", "trust", ("True", "False"), has_moved) == "kernel"
    assert causes.cause("PFs and VFs", "trust", ("True", "False"), {"kernel", "driver"}) == "driver"
    assert causes.cause("identity", "name", ("ens3", "eth0"), {"kernel", "systemd"}) == "systemd"
    assert causes.cause("bonds", "num_grat_arp", ("3", "1"), frozenset()) == "settings"


def test_a_section_that_cannot_be_read_is_one_change(tmp_path: Path) -> None:
    whole, broken = (features(facts_of(loaded(data, tmp_path))) for data in (sample(HOST), cut_off(HOST)))
    found = list(changes("h", whole, broken, frozenset()))
    unread = [one for one in found if one.what == "could be read"]
    assert {one.before for one in unread} == {"read"}
    assert {one.section for one in unread} >= {"PFs and VFs", "NICs"}
    assert not {one.section for one in found if one not in unread} & {one.section for one in unread}


def test_nics_are_not_called_gone_because_their_pfs_cannot_be_read() -> None:
    """The PFs' own NICs stand under the PFs; where these are unreadable, so is the rest."""
    files = {"/sys/class/net/ens1/address": "52:54:00:00:00:01", "/sys/class/net/ens1/ifindex": "2"}
    bundle = Bundle.of(files=files | {"/sys/class/net/ens1/mtu": "1500"}, denied=["/sys/bus/pci/devices"])
    found = features(facts_of(bundle))
    assert isinstance(found["PFs and VFs"], CouldNotLook)
    assert isinstance(found["NICs"], CouldNotLook)


def test_a_section_that_one_gather_did_not_ask_for_is_no_loss() -> None:
    (found,) = changes("h", {"bonds": {("bond b", "mode"): "x"}}, {}, frozenset())
    assert (found.what, found.before, found.after, found.cause, found.effect) == (
        "was asked for",
        "yes",
        "no",
        "vfproof",
        "look",
    )


def _renamed(machine: str, mac: str) -> Change:
    told = {"section": "identity", "cause": "systemd", "effect": "breaks", "chain_before": "a", "chain_after": "b"}
    return Change(machine=machine, subject=f"NIC {mac}", what="name", before="ens3", after="eth0", **told)


def test_what_is_the_same_on_many_machines_is_told_once() -> None:
    names = [_renamed(f"g-{number}", f"52:54:00:00:00:{number:02}") for number in range(40)]
    (entry,) = entries(names)
    assert (entry.text, len(entry.machines), entry.times) == ("NIC …: name: ens3 → eth0", 40, 40)
    (alone,) = entries(names[:1])
    assert (alone.text, alone.chains) == ("NIC 52:54:00:00:00:00: name: ens3 → eth0", ("a", "b"))


def test_all_that_changed_of_one_nic_is_one_entry_as_bad_as_the_worst() -> None:
    number = _renamed("g", "52:54:00:00:00:01").model_copy(
        update={"what": "number of its IOMMU group", "before": "1", "after": "2", "effect": "expected"}
    )
    (entry,) = entries([number, _renamed("g", "52:54:00:00:00:01")])
    assert (entry.effect, entry.text) == (
        "breaks",
        "NIC 52:54:00:00:00:01: number of its IOMMU group: 1 → 2; name: ens3 → eth0",
    )
