"""What the top of the report says of a machine."""

from dataclasses import replace
from pathlib import Path

from checks.bundle import Bundle
from checks.facts import pci
from checks.facts.firmware import Firmware
from checks.told_machine import nic_words, told_of_guest, told_of_host

CAPTURED = Path(__file__).parent / "captured" / "sriov-lab"


def of(bundle):
    return lambda parse: parse(bundle)


def pf(number, device="0x1572", driver="i40e", numvfs=4):
    found = pci.parse(Bundle.load(CAPTURED / "hfbc9a.vfb.gz"))
    (one,) = [each for each in found if each.netdev == "enp1s0"]
    ids = {"vendor": "0x8086", "device": device}
    return replace(one, address=f"0000:0{number}:00.0", netdevs=(f"ens{number}",), driver=driver, ids=ids,
                   totalvfs=64, numvfs=numvfs)  # fmt: skip


def test_a_captured_host_is_told_with_its_nics():
    told = told_of_host(of(Bundle.load(CAPTURED / "hfbc9a.vfb.gz")))
    assert told["NIC"] == "2 × Intel Corporation 82576 Gigabit Network Connection [8086:10c9]"
    assert (told["driver"], told["firmware"]) == ("igb", "2.1.0")
    assert told["PFs"] == "enp1s0 (0000:01:00.0), enp2s0 (0000:02:00.0)"
    assert told["VFs"] == "enp1s0 2 of 7, enp2s0 2 of 7"
    assert told["BIOS"].startswith("SeaBIOS")
    assert {"CPU", "kernel", "OS", "systemd", "libvirt", "QEMU", "product"} < told.keys()


def test_a_guest_is_told_without_what_its_gather_does_not_read():
    told = told_of_guest(of(Bundle.load(CAPTURED / "h488d4f.vfb.gz")))
    assert "kernel" in told
    assert "NIC" not in told


def test_a_host_that_tells_nothing_is_told_as_nothing():
    assert told_of_host(of(Bundle.of("kvm-1"))) == {}


def test_an_unreadable_bus_leaves_out_the_nics_only():
    bundle = Bundle.of("kvm-1", files={"/proc/sys/kernel/osrelease": "6.12\n"}, denied=["/sys/bus/pci/devices"])
    assert told_of_host(of(bundle)) == {"kernel": "6.12"}


def test_nics_of_several_kinds_are_counted():
    versions = {"ens1": Firmware("i40e", "2.8.20-k", "9.20"), "ens2": Firmware("i40e", "6.12", "9.20")}
    told = nic_words([pf(1), pf(2), pf(3, device="0x10fb", driver=None, numvfs=None)], {}, versions, "6.12")
    assert told == {
        "NIC": "2 × [8086:1572], 1 × [8086:10fb]",
        "driver": "1 × i40e 2.8.20-k, 1 × i40e, 1 × none",
        "firmware": "2 × 9.20",
        "PFs": "ens1 (0000:01:00.0), ens2 (0000:02:00.0), ens3 (0000:03:00.0)",
        "VFs": "ens1 4 of 64, ens2 4 of 64, ens3 ? of 64",
    }


def test_many_pfs_are_not_all_named():
    assert nic_words([pf(number) for number in range(10)], {}, {}, None)["PFs"].endswith(", and 2 more")
