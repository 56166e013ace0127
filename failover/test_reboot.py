"""The reboot drill: a host is rebooted, and it, its VFs and its guests come back as wanted and as the check foretold.

Only with `--reboot HOST`, with the host's permission and that of every guest that runs on it.
"""

from __future__ import annotations

from functools import partial

import pytest

from checks.facts.known import attempt, known
from checks.facts.pci import Pf
from checks.outcome import CouldNotLook, advise
from failover.rebooting import outlasted
from failover.rebooting import verdict as reboot_verdict
from failover.rebooting.facts import HostFacts
from failover.rebooting.result import RebootResult
from inventory.model import Host, Inventory


def test_host_may_be_rebooted(host_name: str, reboot: RebootResult) -> None:
    """The host may be rebooted: it is not ours, nobody drills on it, and all guests that run there permit it.

    Why: a reboot takes everything on the host down, and cannot be undone.
    Fix: do what the message names: ask whose guest it is, write the permission into the inventory, or wait.
    """
    assert reboot.refused is None, f"{host_name}: not rebooted: {reboot.refused}"


@pytest.mark.usefixtures("phases_noted")
def test_host_comes_back_after_a_reboot(host_name: str, rebooted: RebootResult) -> None:
    """The host goes down when it is told to reboot, and comes back once, within its deadline.

    Why: a host that hangs at its firmware, its boot loader or a file system is found now, and not in an outage.
    Fix: look at its console (IPMI, iDRAC, iLO); what was last seen of it stands below.
    """
    back, limit = rebooted.way_back, f"within {rebooted.deadline_s} s"
    assert back.last is not None or back.gone_after_s is not None, (
        f"{host_name}: told to reboot by {rebooted.way}, it did not go down {limit}: {back.last_seen}"
    )
    if back.last is None:
        raise CouldNotLook(f"{host_name}: has not come back {limit}: {back.last_seen}")
    boots = len(back.boot_ids)
    assert boots == 1, f"{host_name}: it booted {boots} times {limit}: {back.last_seen}"
    if not back.last.booted:
        advise(f"{host_name}: its boot was not over {limit}: {back.last_seen}")


@pytest.mark.usefixtures("boot_log_noted")
def test_host_goes_down_cleanly(host_name: str, rebooted: RebootResult, after_reboot: HostFacts) -> None:  # noqa: ARG001
    """Every file system and the journal were closed before the host went down.

    Why: a shutdown that ends by force, after a service or a guest that would not stop, loses what was unwritten.
    Fix: find what did not stop in time (journalctl -b -1 -e), and give it longer, or mend it.
    """
    log = rebooted.log
    assert not log.unclean, f"{host_name}: its new kernel says {'; '.join(log.unclean)}"
    if log.why_not or not log.whole:
        why = log.why_not or "the kernel's log does not reach back to its start"
        raise CouldNotLook(f"{host_name}: whether it went down cleanly is not known: {why}")


@pytest.mark.usefixtures("boot_log_noted")
def test_vfs_are_back_after_the_reboot(
    host_name: str, wanted_host: Host, rebooted: RebootResult, after_reboot: HostFacts
) -> None:
    """Every wanted PF has its wanted number of VFs again, with nobody's help.

    Why: this is the proof that no forecast can replace. What was foretold of it stands beside what came.
    Fix: `./vfproof check` names the rule as it must read; where the loss was not foretold, see the boot log.
    """
    if not wanted_host.pfs:
        pytest.skip("the inventory names no PFs of this host")
    wrong, gone = reboot_verdict.lost_vfs(rebooted, after_reboot, wanted_host)
    read = "read from /sys/bus/pci/devices/*/sriov_numvfs and virtfn*"
    assert not wrong, f"{host_name}: {'; '.join(wrong)} ({read})"
    if gone:
        raise CouldNotLook(f"{host_name}: {', '.join(gone)} not found, so this cannot be said of them")


def test_nics_and_vfs_keep_names_places_and_drivers(
    host_name: str, rebooted: RebootResult, after_reboot: HostFacts
) -> None:
    """Every NIC, and every VF that is back, has the name, PCI address and driver that it had before.

    Why: guests name VFs by address, rules and bonds go by name; what moves with a boot breaks them at the worst moment.
    Fix: pin the name by a .link file with Path=, and the driver by what binds it; look for another order of loading.
    """
    before, after = _pfs(rebooted, after_reboot)
    wrong = outlasted.places(before, after, rebooted.freed)
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (/sys/bus/pci/devices, /sys/class/net)"


def test_vf_settings_outlast_the_reboot(
    host_name: str, wanted_host: Host, rebooted: RebootResult, after_reboot: HostFacts
) -> None:
    """Every VF that is back has the MAC, VLAN, trust, spoof checking, link state and rates that it had before.

    Why: settings of VFs live in the kernel only; one that was made by hand is gone, and the guest loses its network.
    Fix: let libvirt's domain XML, a .link or .network file or the mechanism that makes the VFs set it at every boot.
    """
    before, after = _pfs(rebooted, after_reboot)
    owned = reboot_verdict.vfs_with_a_mac(rebooted, wanted_host)
    found = outlasted.settings(before, after, owned, rebooted.freed)
    assert not found.wrong, f"{host_name}: {'; '.join(found.wrong)} (ip -d -j link show)"
    if found.unknown:
        raise CouldNotLook(f"{host_name}: not reported both times: {'; '.join(found.unknown)}")
    for text in found.luck:
        advise(f"{host_name}: {text}: nobody sets it, so it is another at every boot")


def test_isolation_outlasts_the_reboot(host_name: str, rebooted: RebootResult, after_reboot: HostFacts) -> None:
    """No PF and no VF has lost its IOMMU group, or shares it with more devices than before.

    Why: firmware that enumerates otherwise, or a kernel that treats a bridge otherwise, changes who reaches whose
    memory.
    Fix: compare kernel, its parameters and the firmware's settings (ACS, ARI) of before and after.
    """
    before, after = _pfs(rebooted, after_reboot)
    wrong = outlasted.company(known(rebooted.before.iommu), known(after_reboot.iommu), before, after)
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (/sys/kernel/iommu_groups)"


def test_booted_kernel_is_as_wanted(
    host_name: str,
    wanted_host: Host,
    rebooted: RebootResult,  # noqa: ARG001 - what it brought is what is judged
    after_reboot: HostFacts,
) -> None:
    """The kernel that was booted has the wanted parameters, an IOMMU and interrupt remapping.

    Why: what ran before may have been set by hand, or come from an entry that no longer is the one that boots.
    Fix: put the parameter into the boot loader's configuration, regenerate the boot entries, and reboot once more.
    """
    wrong = reboot_verdict.not_as_wanted(after_reboot, wanted_host)
    assert not wrong, f"{host_name}: {'; '.join(wrong)}"


def test_guests_run_again_after_the_reboot(host_name: str, rebooted: RebootResult, after_reboot: HostFacts) -> None:
    """Every guest that ran, or that libvirt starts by itself, runs again; those that may stay off are left out.

    Why: libvirt tries once at boot; a guest whose VF was not there yet stays off until somebody notices.
    Fix: `virsh start` it; then look why its VFs came late or not at all, and order libvirt after what makes them.
    """
    if not any(one.running or one.autostart for one in known(rebooted.before.domains)):
        pytest.skip("no guest ran on the host, and libvirt starts none by itself")
    wrong = reboot_verdict.guests_that_stayed_off(rebooted, after_reboot)
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (libvirt's domains)"


def test_bonds_are_whole_again(
    host_name: str, inventory: Inventory, rebooted: RebootResult, after_reboot: HostFacts
) -> None:
    """The bonds of the host, and of every guest that runs again, have their slaves, links and addresses.

    Why: a guest that runs with one link, or whose NICs came under other names, looks well until the next failover.
    Fix: look at the machine's NIC names and its bond configuration, and at the VFs behind a guest's slaves.
    """
    guests = list(reboot_verdict.awaited(rebooted, after_reboot))
    if not guests and known(rebooted.before.bonds) == ():
        pytest.skip("the host had no bond, and no guest of this inventory runs on it again")
    wrong, unknown = reboot_verdict.hosts_bonds_not_whole(rebooted, after_reboot, inventory.hosts[host_name]), []
    for guest in guests:
        found = attempt(partial(reboot_verdict.bonds_not_whole, guest, inventory.guests[guest.name]))
        if isinstance(found, CouldNotLook):
            unknown.append(str(found))
        else:
            wrong += [f"{guest.name}: {text}" for text in found]
    assert not wrong, f"{host_name}: {'; '.join(wrong)}"
    if unknown:
        raise CouldNotLook(f"{host_name}: {'; '.join(unknown)}")


@pytest.mark.usefixtures("forecasts_noted")
def test_the_boot_came_as_foretold(
    host_name: str,
    rebooted: RebootResult,
    after_reboot: HostFacts,  # noqa: ARG001 - without it nothing came
) -> None:
    """Every statement about the next boot foretold what came: VFs, IOMMU, parameters, domains, names of NICs.

    Why: a host that does otherwise than its own configuration says is racy, or vfproof reads it wrongly; either way the
    next forecast is worth nothing.
    Fix: reboot again, to see whether it comes out otherwise each time; if not, send us both bundles (anonymised).
    """
    wrong = reboot_verdict.wrong_forecasts(rebooted)
    assert not wrong, f"{host_name}: {'; '.join(wrong)}"
    if unread := reboot_verdict.unread_forecasts(rebooted):
        raise CouldNotLook(f"{host_name}: {'; '.join(unread)}")


def _pfs(rebooted: RebootResult, after: HostFacts) -> tuple[tuple[Pf, ...], tuple[Pf, ...]]:
    found = known(rebooted.before.pfs), known(after.pfs)
    if not found[0]:
        pytest.skip("the host had no NIC on a PCI bus before")
    return found
