"""Bonds of other kinds than the lab's own, drilled: MAC policies, one address family, several addresses, a bridge."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from failover import announcements, comparison, verdict
from failover.result import DrillResult
from lab import session
from lab.session import Lab
from tests.failover.test_on_bond_lab import BUDGETS, complaints, drill, eventually

pytestmark = pytest.mark.lab
FOUR, SIX = ("10.77.0.21/24", "10.77.77.21/24"), ("fd77::21/64", "fd77:77::21/64")
POLICY = """for nic in eth0 eth1; do ip link set $nic nomaster; done
echo {policy} >/sys/class/net/bond0/bonding/fail_over_mac
for nic in eth0 eth1; do ip link set $nic down && ip link set $nic master bond0; done
echo eth0 >/sys/class/net/bond0/bonding/active_slave"""
NO_FOUR = "ip -4 addr flush dev bond0; ip -4 addr flush dev bond0.77"
FOUR_AGAIN = f"ip addr add {FOUR[0]} dev bond0; ip addr add {FOUR[1]} dev bond0.77"
NO_SIX = "for nic in bond0 bond0.77; do echo 1 >/proc/sys/net/ipv6/conf/$nic/disable_ipv6; done"
SIX_AGAIN = f"""for nic in bond0 bond0.77; do echo 0 >/proc/sys/net/ipv6/conf/$nic/disable_ipv6; done
ip addr add {SIX[0]} dev bond0 nodad; ip addr add {SIX[1]} dev bond0.77 nodad"""
MORE = "ip addr add 10.77.0.22/24 dev bond0; ip addr add fd77::22/64 dev bond0 nodad"
MORE_GONE = "ip addr del 10.77.0.22/24 dev bond0; ip addr del fd77::22/64 dev bond0"
BRIDGED = f"""ip link add br0 type bridge && ip link set br0 up
ip addr flush dev bond0 scope global; ip link set bond0 master br0
ip addr add {FOUR[0]} dev br0; ip addr add {SIX[0]} dev br0 nodad"""
UNBRIDGED = f"""ip link set bond0 nomaster; ip link del br0
ip addr add {FOUR[0]} dev bond0; ip addr add {SIX[0]} dev bond0 nodad"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with session.running("bond") as running:
        yield running


@contextmanager
def reconfigured(lab: Lab, there: str, back: str) -> Iterator[None]:
    """The guest's bond as another kind of bond; put back afterwards."""
    lab.output("guest", there)
    try:
        ready(lab)
        yield
    finally:
        lab.output("guest", back)
        ready(lab)


def unexplained(result: DrillResult) -> list[str]:
    return [text for each in result.directions for text in comparison.unexplained(each)]


def ready(lab: Lab) -> None:
    """Both links are up, and no address is tentative any more."""
    up = "test $(cat /sys/class/net/bond0/lower_*/bonding_slave/mii_status | grep -c '^up$') = 2"
    eventually(lambda: lab.ssh("guest", f"{up} && ! ip addr show tentative | grep -q inet6").returncode == 0, 15)


def drilled(lab: Lab) -> DrillResult:
    result = drill(lab, "auto", io.BytesIO())
    assert (result.refused, result.not_measured, result.unfinished) == (None, None, "")
    assert result.before is not None and result.after is not None
    assert not result.before.differences(result.after)
    assert all(each.timeline.switched.by == "marker frame" for each in result.directions)
    return result


@pytest.mark.parametrize("policy", ["none", pytest.param("active", marks=pytest.mark.long)])
def test_every_mac_policy(lab: Lab, policy: str) -> None:
    with reconfigured(lab, POLICY.format(policy=policy), POLICY.format(policy="active")):
        result = drilled(lab)
    assert not complaints(result)
    assert not unexplained(result)
    assert result.before is not None
    assert result.before.fail_over_mac == policy
    for direction in result.directions:
        assert (direction.scene.old_mac == direction.scene.new_mac) == (policy != "active")
        assert {len(direction.timeline.of(each)) for each in direction.visible} <= {2, 3, 4}


@pytest.mark.long
def test_a_nic_that_takes_no_new_mac_while_it_runs_is_found_out(lab: Lab) -> None:
    """uml-vector answers EBUSY, and fail_over_mac=follow goes on without: the bond's MAC leads to nobody."""
    with reconfigured(lab, POLICY.format(policy="follow"), POLICY.format(policy="active")):
        result = drilled(lab)
        assert "Error 16 setting MAC of new active slave" in lab.output("guest", "dmesg | grep -v GSO | tail -20")
    first, back = result.directions
    assert verdict.outages(first, BUDGETS)
    assert comparison.unexplained(first)
    assert not announcements.wrong(first, "GARP")
    assert not verdict.outages(back, BUDGETS)


@pytest.mark.parametrize(
    ("there", "back", "families", "probed"),
    [
        pytest.param(NO_FOUR, FOUR_AGAIN, {"NA"}, {"fd77::21"}, marks=pytest.mark.long),
        pytest.param(NO_SIX, SIX_AGAIN, {"GARP"}, {"10.77.0.21"}, marks=pytest.mark.long),
    ],
    ids=["IPv6-only", "IPv4-only"],
)
def test_guests_of_one_address_family(lab: Lab, there: str, back: str, families: set[str], probed: set[str]) -> None:
    with reconfigured(lab, there, back):
        result = drilled(lab)
    assert not complaints(result)
    assert not unexplained(result)
    for direction in result.directions:
        assert {each.by for each in direction.visible} == families
        assert set(direction.scene.probed) == probed
        assert {each.vlan for each in direction.visible} == {-1, 77}


@pytest.mark.long
def test_every_one_of_several_addresses_is_counted(lab: Lab) -> None:
    with reconfigured(lab, MORE, MORE_GONE):
        result = drilled(lab)
    assert not complaints(result)
    assert not unexplained(result)
    for direction in result.directions:
        seen = {each.address for each in direction.visible if direction.timeline.of(each)}
        assert {"10.77.0.21", "10.77.0.22", "fd77::21", "fd77::22", "10.77.77.21", "fd77:77::21"} <= seen


@pytest.mark.long
def test_a_bridge_over_the_bond_announces_nothing_and_that_is_said(lab: Lab) -> None:
    with reconfigured(lab, BRIDGED, UNBRIDGED):
        result = drilled(lab)
    for direction in result.directions:
        on_bridge = [each for each in direction.visible if each.over_bridge]
        assert {each.address for each in on_bridge} >= {"10.77.0.21", "fd77::21"}
        assert "10.77.0.21" in direction.scene.probed
        assert not any(direction.timeline.of(each) for each in on_bridge)
        assert "nothing announces 10.77.0.21 after a failover" in " ".join(
            announcements.silent_by_design(direction, "GARP")
        )
        assert not announcements.wrong(direction, "GARP")
        tagged = [each for each in direction.visible if each.vlan == 77 and each.by == "GARP"]
        assert all(direction.timeline.of(each) for each in tagged)
