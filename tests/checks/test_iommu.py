"""The statements about the IOMMU, on what Linux 6.12 shows under QEMU's intel-iommu; AMD, Arm: its source."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import shared_groups
from checks import test_iommu as statements
from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import boot_parameters, iommu, pci
from checks.facts.libvirt import Domain
from checks.linux.domain_xml import Definition, HostDevice, Interface
from checks.linux.nic_names import Layout
from checks.outcome import CouldNotLook, collected_advice
from inventory.model import Host
from tests.checks.boot_samples import dmar
from tests.checks.grub_cfg import grub_cfg
from tests.checks.test_vfs import PF, VFS, host_files, host_links

INTEL = "vendor_id\t: GenuineIntel\nmodel name\t: QEMU\n"
GROUPS = {"0000:00:02.0": 1, PF: 4, VFS[0]: 5, VFS[1]: 6}
DEBIAN_CONFIG = "# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\nCONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF=y\n"


def files(command_line="ro intel_iommu=on", cpu=INTEL, chips=("IR-IO-APIC", "IR-PCI-MSIX-0000:01:00.0"), groups=GROUPS):
    found = host_files() | {"/proc/cpuinfo": cpu, "/sys/bus/pci/devices/0000:00:02.0/class": "0x060400\n"}
    found |= {f"/sys/kernel/irq/{24 + i}/chip_name": f"{chip}\n" for i, chip in enumerate(chips)}
    found |= {f"/sys/kernel/iommu_groups/{number}/type": "DMA-FQ\n" for number in groups.values()}
    return found | {"/proc/cmdline": f"{command_line}\n", "/proc/sys/kernel/osrelease": "6.12.107\n"}


def bundle(units=("dmar0",), tables=("APIC", "DMAR", "FACP"), groups=GROUPS, more=None, **changes):
    links = host_links() | {
        f"/sys/kernel/iommu_groups/{number}/devices/{address}": f"../../../../devices/{address}"
        for address, number in groups.items()
    }
    names = {"/sys/class/iommu": units} if units is not None else {}
    names |= {"/sys/firmware/acpi/tables": tables} if tables is not None else {}
    return Bundle.of(files=files(groups=groups, **changes) | (more or {}), links=links, names=names)


def facts(*args, **changes):
    gathered = bundle(*args, **changes)
    return {
        "iommu": iommu.parse(gathered),
        "pfs": pci.parse(gathered),
        "boot_parameters": boot_parameters.parse(gathered),
    }


def state(statement, wanted=None, owners=None, **changes):
    """Call a statement with the facts it asks for."""
    values = facts(**changes) | {"host_name": "host", "wanted_host": wanted or host()}
    values["device_owners"] = {} if owners is None else owners
    names = statement.__code__.co_varnames[: statement.__code__.co_argcount]
    with collected_advice() as advice:
        statement(**{name: values[name] for name in names})
    return advice


def host(**changes):
    return Host.model_validate({"connect": "local://", "pfs": {"enp1s0": {"vfs": 2}}, **changes})


def test_parse_reads_units_groups_and_chips():
    found = facts(more={"/sys/kernel/iommu_groups/4/reserved_regions": "0x00000000fee00000 0x00000000feefffff msi\n"})
    assert found["iommu"].units == ("dmar0",)
    assert found["iommu"].cpu_vendor == "intel"
    group = found["iommu"].group_of(PF)
    assert (group.number, group.members, group.type, group.reserved) == (4, (PF,), "DMA-FQ", {"msi"})
    assert found["iommu"].bridges == {"0000:00:02.0"}


@given(st.text(max_size=30))
def test_parse_raises_only_its_own_error(text):
    paths = [
        "/proc/cpuinfo",
        "/sys/kernel/iommu_groups/4/type",
        "/sys/kernel/iommu_groups/4/reserved_regions",
        "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
        "/sys/kernel/irq/24/chip_name",
    ]
    with contextlib.suppress(UnexpectedOutput):
        iommu.parse(bundle(more=dict.fromkeys(paths, text)))


def test_iommu_is_effective__broken_with_no_table_whatever_the_parameter_says():
    with pytest.raises(
        AssertionError, match=r"describes no IOMMU.*only says that it read the word.*no kernel parameter"
    ):
        state(statements.test_iommu_is_effective, units=None, groups={}, tables=("APIC", "FACP"))


@pytest.mark.parametrize(
    ("command_line", "reason"),
    [
        ("intel_iommu=on intel_iommu=off", "intel_iommu=off turns it off"),
        ("intel-iommu=sp_off,off", "intel_iommu=sp_off,off turns it off"),
        ("intel_iommu=on iommu=off", "iommu=off turns it off"),
        ("quiet", "no parameter turns it on: add intel_iommu=on"),
        ("intel_iommu=ON", "intel_iommu=ON says neither on nor off"),
    ],
)
def test_iommu_is_effective__broken_by_parameters_or_their_lack(command_line, reason):
    config = {"/boot/config-6.12.107": "# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\n"}
    with pytest.raises(AssertionError, match=reason):
        state(statements.test_iommu_is_effective, units=(), groups={}, command_line=command_line, more=config)


def test_iommu_is_effective__broken_with_a_unit_but_no_groups():
    with pytest.raises(AssertionError, match="found 1 units in /sys/class/iommu and 0 groups"):
        state(statements.test_iommu_is_effective, groups={})


def test_iommu_is_effective__broken_on_amd_by_its_own_rules():
    amd = {"units": (), "groups": {}, "tables": ("IVRS",), "cpu": "vendor_id\t: AuthenticAMD\n"}
    with pytest.raises(AssertionError, match="amd_iommu=off turns it off"):
        state(statements.test_iommu_is_effective, command_line="amd_iommu=off", **amd)
    with pytest.raises(AssertionError) as broken:
        state(statements.test_iommu_is_effective, command_line="quiet", **amd)
    assert "amd_iommu=on" not in str(broken.value)


def test_iommu_is_effective__broken_says_when_a_reboot_is_all_that_is_missing():
    more = {
        "/boot/config-6.12.107": "# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\n",
        "/boot/grub/grub.cfg": grub_cfg("intel_iommu=on"),
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="intel_iommu=on"\n',
    }
    off = {"units": (), "groups": {}, "command_line": "quiet"}
    with pytest.raises(AssertionError, match=r"a reboot is pending: /boot/grub/grub.cfg, entry 'Debian GNU/Linux'"):
        state(statements.test_iommu_is_effective, more=more, **off)
    with pytest.raises(AssertionError, match=r"configured, but not applied to /boot/grub/grub.cfg.*run update-grub"):
        state(statements.test_iommu_is_effective, more={**more, "/boot/grub/grub.cfg": grub_cfg("quiet")}, **off)


def test_iommu_is_effective__holds_with_a_note_on_amd_about_a_value_that_is_none():
    amd = {"units": ("ivhd0",), "tables": ("IVRS",), "cpu": "vendor_id\t: AuthenticAMD\n"}
    assert (
        "no value that the kernel knows"
        in state(statements.test_iommu_is_effective, command_line="amd_iommu=on", **amd)[0]
    )
    assert not state(statements.test_iommu_is_effective, command_line="iommu=pt", **amd)


def test_iommu_is_effective__the_processors_flags_are_no_evidence():
    flags = INTEL + "flags\t\t: fpu vmx svm\n"
    with pytest.raises(AssertionError, match="no effective IOMMU"):
        state(statements.test_iommu_is_effective, cpu=flags, units=(), groups={})


def test_iommu_is_effective__holds_without_any_parameter_and_on_arm():
    state(statements.test_iommu_is_effective, command_line="quiet")
    state(statements.test_iommu_is_effective, units=("smmu3.0x000000002b400000",), tables=None, command_line="")


def test_iommu_is_effective__does_not_apply_where_none_is_asked_for():
    with pytest.raises(pytest.skip.Exception):
        state(statements.test_iommu_is_effective, wanted=host(iommu="any"), units=(), groups={})


def test_pfs_and_vfs_are_behind_the_iommu__broken_when_one_vf_is_outside():
    groups = {address: number for address, number in GROUPS.items() if address != VFS[1]}
    with pytest.raises(AssertionError, match=r"enp1s0 VF 1 \(0000:01:10.2\)"):
        state(statements.test_pfs_and_vfs_are_behind_the_iommu, groups=groups)


def test_pfs_and_vfs_are_behind_the_iommu__holds_with_others_outside():
    state(statements.test_pfs_and_vfs_are_behind_the_iommu, groups={a: n for a, n in GROUPS.items() if n > 1})


def test_interrupt_remapping_is_on__broken_with_dmar_msi_alone():
    with pytest.raises(AssertionError, match="interrupts are not remapped: no chip named IR-"):
        state(statements.test_interrupt_remapping_is_on, chips=("IO-APIC", "DMAR-MSI", "PCI-MSIX-0000:01:00.0"))
    with pytest.raises(CouldNotLook, match="no interrupt chips"):
        state(statements.test_interrupt_remapping_is_on, chips=())


def test_interrupt_remapping_is_on__broken_names_the_firmware_or_the_parameter():
    chips = ("DMAR-MSI",)
    for flags, reason in ((0, r"INTR_REMAP is 0"), (1, "intremap=off in /proc/cmdline")):
        table = {"/sys/firmware/acpi/tables/DMAR": dmar(flags)}
        with pytest.raises(AssertionError, match=reason):
            state(statements.test_interrupt_remapping_is_on, chips=chips, command_line="intremap=off", more=table)


def test_interrupt_remapping_is_on__holds_on_arm_by_its_msi_region():
    state(statements.test_interrupt_remapping_is_on)
    region = {"/sys/kernel/iommu_groups/4/reserved_regions": "0x0000000008000000 0x00000000080fffff msi\n"}
    arm = {"cpu": "CPU implementer\t: 0x41\n", "chips": ("GICv3",)}
    state(statements.test_interrupt_remapping_is_on, more=region, **arm)
    with pytest.raises(AssertionError, match="no msi region"):
        state(statements.test_interrupt_remapping_is_on, **arm)


def test_vfio_keeps_its_guards__broken_by_noiommu_mode():
    with pytest.raises(AssertionError, match="enable_unsafe_noiommu_mode is Y"):
        state(
            statements.test_vfio_keeps_its_guards,
            more={"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode": "Y\n"},
        )


def test_vfio_keeps_its_guards__broken_by_a_parameter_that_waits_for_the_module():
    for line in ("vfio.enable_unsafe_noiommu_mode=1", "vfio.enable-unsafe-noiommu-mode"):
        with pytest.raises(AssertionError, match="once the module vfio is loaded"):
            state(statements.test_vfio_keeps_its_guards, command_line=line)
    off = {"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode": "N\n"}
    state(statements.test_vfio_keeps_its_guards, command_line="vfio.enable_unsafe_noiommu_mode=1", more=off)
    state(statements.test_vfio_keeps_its_guards, command_line="vfio.enable_unsafe_noiommu_mode=0")


def test_vfio_keeps_its_guards__holds_with_advice_on_unsafe_interrupts():
    assert not state(statements.test_vfio_keeps_its_guards)
    path = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
    assert state(statements.test_vfio_keeps_its_guards, more={path: "Y\n"})
    assert not state(statements.test_vfio_keeps_its_guards, more={path: "N\n"})


alone = statements.test_every_vf_is_alone_in_its_iommu_group
SHARED = {**GROUPS, VFS[1]: 5}


def claims(**guests):
    return {address: frozenset({guest}) for guest, address in guests.items()}


def test_every_vf_is_alone_in_its_iommu_group__broken_by_the_vf_of_another_guest():
    owners = claims(web=VFS[0], db=VFS[1])
    with pytest.raises(AssertionError, match=r"0000:01:10.0 of web shares group 5: 0000:01:10.2 is of db"):
        state(alone, groups=SHARED, owners=owners)
    nic = {**GROUPS, "0000:00:1f.6": 5}
    with pytest.raises(AssertionError, match=r"0000:00:1f.6 is of db"):
        state(alone, groups=nic, owners=claims(web=VFS[0], db="0000:00:1f.6"))


def test_every_vf_is_alone_in_its_iommu_group__holds_with_advice_while_one_guest_has_the_group():
    for owners in ({}, claims(web=VFS[0]), dict.fromkeys(VFS, frozenset({"web"}))):
        said = " ".join(state(alone, groups=SHARED, owners=owners))
        assert "0000:01:10.0 shares group 5 with 0000:01:10.2" in said


def test_every_vf_is_alone_in_its_iommu_group__unknown_guests_matter_only_where_a_group_is_shared():
    unknown = CouldNotLook("host: not allowed to read '/etc/libvirt/qemu'")
    assert not state(alone, owners=unknown)
    with pytest.raises(CouldNotLook, match=r"shares group 5 .* not known: host: not allowed"):
        state(alone, groups=SHARED, owners=unknown)


def test_every_vf_is_alone_in_its_iommu_group__holds_beside_a_bridge():
    assert not state(alone, groups={**GROUPS, "0000:00:02.0": 5})
    for override in ("pcie_acs_override=downstream,multifunction", "pci=config_acs=xx@0000:00:1c.0"):
        assert state(alone, command_line=f"intel_iommu=on {override}")
    with pytest.raises(CouldNotLook, match="no IOMMU groups"):
        state(alone, units=(), groups={})


def test_owners_counts_what_runs_and_what_is_stored():
    live = Definition((Interface("hostdev", source=VFS[0]),), (), Layout(""))
    stored = Definition((), (HostDevice(VFS[1], managed=True),), Layout(""))
    assert shared_groups.owners([Domain("web", "running", stored, live)]) == dict.fromkeys(VFS, frozenset({"web"}))


lets_go = statements.test_firmware_keeps_no_memory_of_vfs
DIRECT = "0x000000007b800000 0x000000007fffffff direct\n0x00000000fee00000 0x00000000feefffff msi\n"


def regions(group, text=DIRECT):
    return {f"/sys/kernel/iommu_groups/{group}/reserved_regions": text}


def test_firmware_keeps_no_memory_of_vfs__broken_by_a_direct_region():
    with pytest.raises(AssertionError, match=r"reserved_regions of 0000:01:10.0 \(group 5\)"):
        state(lets_go, more=regions(5))
    with pytest.raises(AssertionError, match=r"0000:01:00.0 \(group 4\)"):
        state(lets_go, more=regions(4), owners=claims(web=PF))


def test_firmware_keeps_no_memory_of_vfs__holds_for_a_pf_of_the_host_and_relaxable_regions():
    assert not state(lets_go, more=regions(4))
    assert not state(lets_go, more=regions(5, DIRECT.replace("direct", "direct-relaxable")))
    with pytest.raises(CouldNotLook, match="no IOMMU groups"):
        state(lets_go, units=(), groups={})


policy = statements.test_pfs_have_the_wanted_dma_policy


@pytest.mark.parametrize(
    ("wanted", "kind", "found"),
    [
        ({"dma_domain": "translated"}, "identity", r"enp1s0 is passthrough \(identity\), wanted translated"),
        ({"dma_domain": "passthrough"}, "DMA", r"translated \(DMA\), wanted passthrough"),
        ({"dma_invalidation": "strict"}, "DMA-FQ", r"lazy \(DMA-FQ\), wanted strict"),
        ({"dma_invalidation": "lazy"}, "DMA", r"strict \(DMA\), wanted lazy"),
    ],
)
def test_pfs_have_the_wanted_dma_policy__broken_by_another_type(wanted, kind, found):
    with pytest.raises(AssertionError, match=found):
        state(policy, wanted=host(**wanted), more={"/sys/kernel/iommu_groups/4/type": f"{kind}\n"})


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"dma_domain": "passthrough", "dma_invalidation": "strict"}, "identity"),
        ({"dma_domain": "translated", "dma_invalidation": "strict"}, "DMA"),
        ({"dma_domain": "translated"}, "DMA-FQ"),
    ],
)
def test_pfs_have_the_wanted_dma_policy__holds_for_what_was_chosen(wanted, kind):
    assert not state(policy, wanted=host(**wanted), more={"/sys/kernel/iommu_groups/4/type": f"{kind}\n"})


def test_pfs_have_the_wanted_dma_policy__is_nobodys_business_unless_chosen_and_unknown_without_the_file():
    with pytest.raises(pytest.skip.Exception):
        state(policy)
    for kind in ("", "unmanaged\n"):
        with pytest.raises(CouldNotLook, match="enp1s0 is not known"):
            state(policy, wanted=host(dma_domain="translated"), more={"/sys/kernel/iommu_groups/4/type": kind})
