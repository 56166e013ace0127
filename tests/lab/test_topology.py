from __future__ import annotations

import pytest

from lab import topology
from lab.topology import TopologyError

BOND = topology.locate("bond").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", topology.available())
def test_every_topology_of_ours_is_valid_and_says_what_it_shows(name):
    loaded = topology.load(name)
    assert loaded.name == name
    assert len(loaded.shows) > 80
    assert len(loaded.cannot_show) > 80


def test_bond_is_what_the_issue_asks_for():
    bond = topology.load("bond").nodes["guest"].bonds["bond0"]
    assert (bond.mode, bond.fail_over_mac, bond.miimon) == ("active-backup", "active", 100)
    assert (bond.num_grat_arp, bond.peer_notif_delay) == (3, 200)
    assert [str(a) for a in bond.vlans[77]] == ["10.77.77.21/24", "fd77:77::21/64"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    memory_mib: 192\n", "    memory_mib: 192\n    cpus: 4\n"), "nodes.guest.cpus"),
        (("bridge: mgmt, tap: guest-ctl", "bridge: mgnt, tap: guest-ctl"), "nodes.guest.nics.ctl.bridge"),
        (('"52:54:00:77:00:10"', '"52:54:00:77:00"'), "not a MAC address"),
        (("tap: guest-eth1", "tap: guest-eth0"), "used by two NICs: guest-eth0"),
        (("{node: observer, address", "{node: watcher, address"), "ssh.observer.node: there is no node 'watcher'"),
        (("come_up_within_s: 60", "come_up_within_s: soon"), "come_up_within_s"),
        (("nodes:\n", "nodes: [\n"), "own.yaml"),
    ],
)
def test_a_mistake_is_named_with_its_place(change, message):
    text = BOND.replace(*change)
    assert text != BOND
    with pytest.raises(TopologyError) as refusal:
        topology.parse(text, source="own.yaml")
    assert message in str(refusal.value)
    assert str(refusal.value).startswith("own.yaml:")
    assert "\n" not in str(refusal.value)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(TopologyError, match="there is no topology 'bnd'; there is bond"):
        topology.load("bnd")


def test_a_path_is_a_topology_too(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(BOND)
    assert topology.load(str(own)) == topology.load("bond")
    with pytest.raises(TopologyError, match="No such file"):
        topology.load(str(tmp_path / "other.yaml"))


def test_a_topology_that_extends_another_says_only_what_is_other():
    sriov, upgrade = topology.load("sriov"), topology.load("upgrade")
    assert upgrade.nodes["kvm-1"].nics == sriov.nodes["kvm-1"].nics
    assert upgrade.nodes["kvm-1"].settings == {"image": "older-kernel"}
    assert (upgrade.inventory, upgrade.ssh) == (sriov.inventory, sriov.ssh)


def test_null_takes_a_key_of_the_other_topology_away():
    nics = topology.load("upgrade-guest").inventory["guests"]["guest-1"]["nics"]
    assert set(nics) == {"ens3", "enp1s3", "ens4"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: sriv\n", "there is no topology 'sriv'"),
        ("extends: sriov\nnodes: {kvm-1: {memory_mib: much}}\n", r"own\.yaml: nodes\.kvm-1\.memory_mib"),
        ("extends: sriov\nupgrade: {node: kvm-2, script: x, within_s: 1}\n", "upgrade.node: there is no node 'kvm-2'"),
        ("extends: upgrade\n", "own.yaml: extends 'upgrade', which extends another itself"),
    ],
)
def test_a_mistake_in_what_extends_another_is_named(text, message):
    with pytest.raises(TopologyError, match=message):
        topology.parse(text, source="own.yaml")
