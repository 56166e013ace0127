from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from lab.images import Image
from lab.qemu import Accelerator
from lab.sriov_host import SavedState, machine_arguments
from lab.topology import load

TCG = Accelerator("TCG", "tcg", "EPYC,+svm", 1, "because")


@pytest.fixture
def arguments():
    """QEMU's arguments for kvm-1 as its topology has it."""
    return machine_arguments(load("sriov").nodes["kvm-1"], TCG)


def _devices(arguments, kind):
    found = [value for option, value in itertools.pairwise(arguments) if option == "-device"]
    return [device for device in found if device.split(",")[0] == kind]


def test_the_host_has_no_more_memory_than_its_vfs_bear(arguments):
    assert int(arguments[arguments.index("-m") + 1]) <= 2048


def test_the_iommu_remaps_interrupts(arguments):
    assert _devices(arguments, "intel-iommu") == ["intel-iommu,intremap=on"]
    assert "q35,kernel-irqchip=split" in arguments


def test_every_pf_has_a_root_port_of_its_own(arguments):
    buses = {part for device in _devices(arguments, "igb") for part in device.split(",") if part.startswith("bus=")}
    assert buses == {"bus=rp-enp1s0", "bus=rp-enp2s0"}
    assert len(_devices(arguments, "pcie-root-port")) == 2


def test_every_nic_ends_in_its_tap(arguments):
    for nic, port in load("sriov").nodes["kvm-1"].nics.items():
        assert any(f"id={nic},ifname={port.tap}," in word for word in arguments)


def test_the_vfs_of_the_domain_are_those_of_the_inventory():
    xml = (Path(__file__).parents[2] / "lab/recipes/host/usr/share/vfproof/guest-1.xml").read_text()
    inventory = load("sriov").inventory
    for nic in inventory["guests"]["guest-1"]["nics"].values():
        assert f"<mac address='{nic['mac']}'/>" in xml


def test_a_saved_state_is_of_one_image_and_one_machine(own_folders, arguments):
    host, guest = Image(Path("/c/host-1")), Image(Path("/c/sriov-guest-1"))
    state = SavedState(host, guest, arguments)
    assert state.folder == SavedState(host, guest, arguments).folder
    others = [
        SavedState(Image(Path("/c/host-2")), guest, arguments),
        SavedState(host, Image(Path("/c/sriov-guest-2")), arguments),
        SavedState(host, guest, [*arguments, "-no-hpet"]),
    ]
    assert len({state.folder, *(other.folder for other in others)}) == 4
    assert not state.exists
