"""Statements about libvirt's networks for guests with VFs: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks import test_vf_pools as statements
from checks.facts import libvirt, networks
from checks.outcome import collected_advice
from tests.checks import network_samples
from tests.checks.domain_samples import MAC_1, MAC_2, PFS, VF_2, Hostdev, domain
from tests.checks.domain_samples import host as domains_host
from tests.checks.network_samples import CONTROL, LIST, POOL

ALL_NETWORKS = networks.parse(network_samples.host())


def drawing(*macs, network="vf-pool"):
    """A stored domain with an interface per MAC that takes a VF out of a pool."""
    taken = "".join(
        f"    <interface type='network'>\n      <mac address='{mac}'/>\n      <source network='{network}'/>\n"
        "    </interface>\n"
        for mac in macs
    )
    return domain(interfaces=()).replace("  </devices>", f"{taken}  </devices>")


def domains(xml=None, *, runs=True, autostart=False):
    xml = domain() if xml is None else xml
    found = libvirt.parse(domains_host({"guest-1": xml}, {"guest-1": xml} if runs else {}))
    return tuple(replace(one, autostart=autostart) for one in found)


def active(found=None, known=ALL_NETWORKS):
    statements.test_networks_of_guests_with_vfs_are_active("kvm-1", domains() if found is None else found, known)


def serve(found, known=ALL_NETWORKS, pfs=PFS):
    with collected_advice() as advice:
        statements.test_vf_pools_can_serve_their_domains("kvm-1", found, known, pfs)
    return advice


def test_networks_of_guests_with_vfs_are_active__holds_on_a_sound_host():
    active(domains(autostart=True))


def test_networks_of_guests_with_vfs_are_active__holds_for_one_without_autostart_that_no_domain_needs_at_boot():
    active(domains(drawing(MAC_1)))


def test_networks_of_guests_with_vfs_are_active__broken_when_it_is_missing():
    with pytest.raises(AssertionError, match="kvm-1: network control of domain guest-1 does not exist"):
        active(known=())


def test_networks_of_guests_with_vfs_are_active__broken_when_it_is_not_active():
    with pytest.raises(AssertionError, match="network control of domain guest-1 is not active"):
        active(domains(runs=False), networks.parse(network_samples.host({"control": CONTROL}, {})))


def test_networks_of_guests_with_vfs_are_active__broken_when_only_the_domain_starts_by_itself():
    with pytest.raises(AssertionError, match="network vf-pool of domain guest-1 does not start by itself"):
        active(domains(drawing(MAC_1), autostart=True))


def test_networks_of_guests_with_vfs_do_not_matter_to_guests_without():
    with pytest.raises(pytest.skip.Exception):
        active(domains(domain(interfaces=())), ())


def test_vf_pools_can_serve_their_domains__holds_with_a_vf_for_each():
    assert serve(domains(drawing(MAC_1, MAC_2))) == []


def test_vf_pools_can_serve_their_domains__broken_when_there_are_too_few():
    with pytest.raises(AssertionError, match=r"vf-list has 1 VFs to hand out .* run or start by themselves need 2"):
        serve(domains(drawing(MAC_1, MAC_2, network="vf-list")))


def test_vf_pools_can_serve_their_domains__holds_with_advice_when_they_need_not_all_run():
    [advice] = serve(domains(drawing(MAC_1, MAC_2, network="vf-list"), runs=False))
    assert "kvm-1: network vf-list has 1 VFs" in advice
    assert "all domains need 2, so not all can run at once" in advice


def test_vf_pools_can_serve_their_domains__broken_when_a_named_vf_is_the_last_one():
    named = domain("guest-2", (Hostdev("0000:02:10.2"),))
    stored = {"guest-1": drawing(MAC_1, network="vf-list"), "guest-2": named}
    both = libvirt.parse(domains_host(stored, stored))
    with pytest.raises(AssertionError, match=r"vf-list has 0 VFs to hand out \(1 more are named by domains\)"):
        serve(both)


def test_vf_pools_can_serve_their_domains__holds_with_advice_when_a_domain_names_a_vf_of_a_pool():
    [advice] = serve(domains())
    assert "network vf-pool may hand out 0000:01:10.0, which domain guest-1 names by address" in advice


def test_vf_pools_can_serve_their_domains__holds_without_advice_when_the_domain_got_it_out_of_the_pool():
    stored, live = drawing(MAC_1), domain(interfaces=(Hostdev(),))
    assert serve(libvirt.parse(domains_host({"guest-1": stored}, {"guest-1": live}))) == []


def test_vf_pools_can_serve_their_domains__broken_when_the_pf_is_down():
    down = (replace(PFS[0], up=False), PFS[1])
    with pytest.raises(AssertionError, match="vf-pool hands out VFs of enp1s0f0, which is down"):
        serve(domains(drawing(MAC_1)), pfs=down)


@pytest.mark.parametrize(
    ("pfs", "message"),
    [
        ((PFS[1],), "VFs of enp1s0f0, and there is no such PF"),
        ((replace(PFS[0], vfs=()), PFS[1]), "VFs of enp1s0f0, which has none"),
        ((PFS[0],), "vf-list lists 0000:02:10.2, where there is no VF"),
    ],
)
def test_vf_pools_can_serve_their_domains__broken_when_its_vfs_are_not_there(pfs, message):
    with pytest.raises(AssertionError, match=message):
        serve(domains(drawing(MAC_1)), pfs=pfs)


def test_vf_pools_do_not_apply_where_there_is_none():
    with pytest.raises(pytest.skip.Exception):
        serve(domains(), networks.parse(network_samples.host({"control": CONTROL})))


def test_an_inactive_pool_is_known_by_what_is_stored():
    known = networks.parse(network_samples.host({"vf-pool": POOL, "vf-list": LIST}, {}))
    assert serve(domains(domain(interfaces=(Hostdev(VF_2),)), runs=False), known) == []
