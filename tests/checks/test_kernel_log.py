"""The kernel's log as evidence: real lines of kvm-1, and lines of other drivers from public sources."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import test_kernel_log as statements
from checks.bundle import Bundle
from checks.facts import kernel_log
from checks.facts.kernel_log import DMESG, JOURNAL, KernelLog
from checks.groups import status_of
from checks.linux.kernel_messages import CAUSES, DROP, KEEP, cause_of
from checks.outcome import CouldNotLook, collected_advice
from tests.checks.test_vfs import boot_log, found, wanted

# kvm-1 (Debian 13, kernel 6.12.117, igb and igbvf) after a boot in which all went well.
HEALTHY = """\
[   23.564579] kernel: igb 0000:01:00.0: 2 VFs allocated
[   24.522785] kernel: igbvf 0000:01:10.0: PF still in reset state. Is the PF interface up?
[   24.530794] kernel: igbvf 0000:01:10.0: Assigning random MAC address.
[   26.016760] kernel: igb 0000:01:00.0 enp1s0: renamed from eth0
[   41.300297] kernel: igb 0000:01:00.0: setting MAC 52:54:00:77:00:10 on VF 0
[   67.268471] kernel: igb 0000:01:00.0: VF 0 attempted to override administratively set MAC address
[   70.320299] kernel: igb 0000:01:00.0: VF 0 requested MAC filter but is administratively denied"""
START = "Linux version 6.12.117+deb13-amd64 (debian-kernel@lists.debian.org)"


def test_the_kernel_reports_no_sriov_trouble__broken_by_a_vf_that_the_card_switched_off():
    # ice_main.c and i40e_main.c of Linux 5.2, ice_handle_mdd_event
    log = boot_log("[ 4711.1] kernel: i40e 0000:01:00.0: Too many MDD events on VF 1, disabled")
    with pytest.raises(AssertionError, match=r"enp1s0: 'i40e .* \(4711 s after the boot\).*switched a VF off"):
        statements.test_the_kernel_reports_no_sriov_trouble("host", wanted(), found(), log)


def test_the_kernel_reports_no_sriov_trouble__holds_on_kvm_1_and_for_other_cards():
    log = boot_log(*HEALTHY.splitlines(), "[ 9.1] kernel: i40e 0000:05:00.0: Too many MDD events on VF 1, disabled")
    with collected_advice() as advice:
        statements.test_the_kernel_reports_no_sriov_trouble("host", wanted(), found(), log)
    assert advice == []


def test_the_kernel_reports_no_sriov_trouble__holds_with_advice_for_what_is_over():
    log = boot_log(*["[   11.4] kernel: igb 0000:01:00.0: not enough MMIO resources for SR-IOV"] * 3)
    with collected_advice() as advice:
        statements.test_the_kernel_reports_no_sriov_trouble("host", wanted(), found(), log)
    assert len(advice) == 1 and "3 times in all" in advice[0] and "pci=realloc" in advice[0]


def test_the_kernel_reports_no_sriov_trouble__holds_never_when_the_log_is_denied():
    # As user nobody on kvm-1: kernel.dmesg_restrict is 1, and journald opens nothing.
    commands = {
        JOURNAL: (1, "No journal files were opened due to insufficient permissions."),
        DMESG: (1, "dmesg: read kernel buffer failed: Operation not permitted"),
    }
    log = kernel_log.parse(Bundle.of(commands=commands))
    assert log.messages == ()
    with pytest.raises(CouldNotLook, match=r"insufficient permissions.*not permitted"):
        statements.test_the_kernel_reports_no_sriov_trouble("host", wanted(), found(), log)


def test_a_refusal_of_journald_is_one_of_rights_so_that_sudo_is_tried():
    assert status_of("No journal files were opened due to insufficient permissions.") == "denied"


def test_the_ring_buffer_stands_in_for_a_journal_of_ones_own():
    commands = {
        JOURNAL: "",
        DMESG: f"[    0.000000] {START}\n[   11.4] igb 0000:01:00.0: not enough MMIO resources for SR-IOV\n",
    }
    log = kernel_log.parse(Bundle.of(commands=commands))
    assert (len(log.messages), log.unread, log.since_boot) == (1, None, True)


def test_a_ring_buffer_that_forgot_the_boot_says_so():
    log = kernel_log.parse(Bundle.of(commands={DMESG: "[ 99999.4] igb 0000:01:00.0: tx hang 1 detected\n"}))
    assert log.unread is None and not log.since_boot
    with collected_advice() as advice:
        statements.test_the_kernel_reports_no_sriov_trouble("host", wanted(), found(), log)
    assert "no longer reaches back" in advice[-1]


# One line for each kind, and whom it was said by; "K" is the text in the kernel's source of that name.
LINES = {
    # README of storpool/ixgbevf-udevhelper
    "ixgbe 0000:04:00.1: not enough MMIO resources for SR-IOV": "no room",
    "ixgbe 0000:04:00.0: Failed to enable PCI sriov: -12": "could not make",
    # a note on the sriov-network-operator in a public knowledge base
    "mlx5_core 0000:b0:00.0: not enough MMIO resources for SR-IOV": "no room",
    # K iov.c
    "igb 0000:01:00.0: can't enable 7 VFs (bus 02 out of range of [bus 01])": "bus number",
    "igb 0000:01:00.0: SR-IOV: bus number out of range": "bus number",
    "i40e 0000:3d:00.0: 64 VFs requested; only 32 enabled": "fewer",
    "ice 0000:18:00.0: 4 VFs already enabled. Disable before enabling 8 VFs": "another number",
    # K bnxt_sriov.c
    "bnxt_en 0000:c1:00.0 enp193s0f0np0: Reject SRIOV config request since if is down!": "while its PF is down",
    # K i40e_virtchnl_pf.c, ice_virtchnl.c
    "i40e 0000:c2:00.0: Cannot add more MAC addresses, VF is not trusted, switch the VF to trusted to add more "
    "functionality": "used up its filters",
    "ice 0000:18:00.0: Can't add more MAC addresses, because VF-3 is not trusted, switch the VF to trusted mode in "
    "order to add more functionalities": "used up its filters",
    "i40e 0000:3d:00.0: VF attempting to override administratively set MAC address, bring down and up the VF interface "
    "to resume normal operation": "was refused",
    "i40e 0000:3d:00.0: VF 3 still in reset. Try again.": "being reset",
    # K ixgbe_main.c, from a bug report
    "ixgbe 0000:01:00.0: Firmware recovery mode detected. Limiting functionality. Refer to the Intel(R) Ethernet "
    "Adapters and Devices User Guide": "damaged",
    # K intel/dmar.c, amd/iommu.c
    "DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0xfffff000 [fault reason 0x05] PTE Write access is "
    "not set": "IOMMU refused",
    "vfio-pci 0000:01:10.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000f address=0x0 flags=0x0020]": "refused",
    # systemd 257 src/shared/netif-sriov.c and src/udev/net/link-config.c
    "enp1s0: Failed to configure SR-IOV virtual function 3, ignoring: Invalid argument": "could not apply",
    "enp1s0: Failed to write device/sriov_numvfs sysfs attribute, ignoring: Device or resource busy": "could not write",
}


def kept(text):
    """What the host's grep lets through."""
    return subprocess.run(["grep", "-aE", "-e", KEEP], input=text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(("text", "meaning"), LINES.items(), ids=[re.sub(r"\W+", "-", text)[:40] for text in LINES])
def test_lines_of_all_drivers_are_understood_and_leave_the_host(text, meaning):
    cause = cause_of(text)
    assert cause is not None and meaning in cause.meaning
    assert text in kept(f"[ 1.1] kernel: {text}\n")


def test_lines_that_say_nothing_of_sriov_stay_where_they_are():
    quiet = [line for line in HEALTHY.splitlines() if "still in reset" not in line and "override" not in line]
    assert kept("\n".join(quiet)) == ""
    assert re.search(DROP, HEALTHY)
    assert all(cause_of(line) is None for line in quiet)


def test_every_cause_has_words_for_a_person():
    assert all(len(cause.meaning) > 10 and len(cause.fix) > 10 for cause in CAUSES)


def test_a_message_concerns_the_pf_its_vfs_and_their_interfaces():
    (pf,) = found()
    log = boot_log(
        "[   1.1] kernel: DMAR: [DMA Read NO_PASID] Request device [01:10.2] fault addr 0x0 [fault reason 0x06]",
        "[   2.1] systemd-networkd[230]: enp1s0: Failed to configure SR-IOV virtual function 3, ignoring: Invalid",
        "[   3.1] systemd-networkd[230]: enp1s0f1: Failed to configure SR-IOV virtual function 3, ignoring: Invalid",
    )
    assert [one.seconds for one in log.messages if one.concerns(pf)] == [1.1, 2.1]


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_a_log(journal, ring):
    log = kernel_log.parse(Bundle.of(commands={JOURNAL: journal, DMESG: f"[ 1.5] {ring}"}))
    assert isinstance(log, KernelLog)


def test_a_flood_is_one_message_in_a_moment():
    line = "[ 4711.1] igb 0000:01:00.0: Spoof event(s) detected on VF 0\n"
    log = kernel_log.parse(Bundle.of(commands={DMESG: line * 15_000}))
    assert len(log.messages) == 1 and log.messages[0].times == 15_000
