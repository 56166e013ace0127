"""The statements about the next boot: the whole state table, on Debian's grub.cfg and on RHEL's BLS entries."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import test_boot_parameters as statements
from checks.bundle import Bundle
from checks.facts import boot_parameters, iommu
from checks.outcome import CouldNotLook, collected_advice
from inventory.model import Host
from tests.checks.boot_samples import dmar, iort
from tests.checks.grub_cfg import BLS_CFG, UUID, bls, grub_cfg

HOST = Host(connect="local://")
DEBIAN_CONFIG = "# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\nCONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF=y\n"
OFF_CONFIG = "# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\n"
RELEASES = ("6.12.107", "6.1.0-44-amd64", "5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64")


def gathered(
    running="ro intel_iommu=on",
    entry="intel_iommu=on quiet",
    source="intel_iommu=on",
    config=OFF_CONFIG,
    tables=("DMAR",),
    effective=True,
    denied=(),
    default="0",
    old=None,
    more=None,
):
    files = {
        "/proc/cmdline": f"BOOT_IMAGE=/boot/vmlinuz-6.12.107 root=UUID={UUID} {running}\n",
        "/proc/sys/kernel/osrelease": "6.12.107\n",
        "/proc/cpuinfo": "vendor_id\t: GenuineIntel\n",
        "/boot/grub/grub.cfg": grub_cfg(entry, default, old),
        "/etc/default/grub": f'X=1\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="{source}"\n',
    }
    files |= {f"/boot/config-{release}": config for release in RELEASES if config}
    files = {path: text for path, text in (files | (more or {})).items() if text is not None}
    names = {"/sys/firmware/acpi/tables": tables, "/sys/class/iommu": ("dmar0",) if effective else ()}
    links = {"/sys/kernel/iommu_groups/1/devices/0000:01:00.0": "../x"} if effective else {}
    return Bundle.of(files=files, names=names, links=links, denied=denied)


def state(statement, wanted=HOST, **changes):
    """Call a statement with the facts it asks for; gives the advice."""
    bundle = gathered(**changes)
    values = {"iommu": iommu.parse(bundle), "boot_parameters": boot_parameters.parse(bundle)}
    values |= {"host_name": "host", "wanted_host": wanted}
    names = statement.__code__.co_varnames[: statement.__code__.co_argcount]
    with collected_advice() as advice:
        statement(**{name: values[name] for name in names})
    return advice


effective_next = statements.test_iommu_is_effective_after_the_next_boot
remapped_next = statements.test_interrupt_remapping_is_on_after_the_next_boot
applied = statements.test_boot_entry_has_the_configured_parameters


def rhel(options, env="saved_entry=id-5.14.0-427.el9.x86_64\n", source="intel_iommu=on", cfg=BLS_CFG, newest="ro"):
    return {
        "/boot/grub/grub.cfg": None,
        "/boot/grub2/grub.cfg": cfg,
        "/boot/grub2/grubenv": f"# GRUB Environment Block\n{env}{'#' * 40}",
        "/boot/loader/entries/id-5.14.0-427.el9.x86_64.conf": bls("5.14.0-427.el9.x86_64", options),
        "/boot/loader/entries/id-5.14.0-503.el9.x86_64.conf": bls("5.14.0-503.el9.x86_64", newest),
        "/etc/default/grub": f'GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX="{source}"\n',
    }


def test_iommu_is_effective_after_the_next_boot__broken_when_the_entry_lost_the_parameter():
    with pytest.raises(
        AssertionError, match=r"entry 'Debian GNU/Linux': ''\); running now: 'intel_iommu=on', IOMMU now eff"
    ):
        state(effective_next, entry="quiet")


@pytest.mark.parametrize("entry", ["intel_iommu=on intel_iommu=off", "intel-iommu=off", "iommu=pt,off intel_iommu=on"])
def test_iommu_is_effective_after_the_next_boot__broken_when_turned_off(entry):
    with pytest.raises(AssertionError, match="turns it off"):
        state(effective_next, entry=entry, config=DEBIAN_CONFIG)


def test_iommu_is_effective_after_the_next_boot__broken_without_a_firmware_table():
    with pytest.raises(AssertionError, match="no kernel parameter can help"):
        state(effective_next, tables=("APIC",), effective=False)
    with pytest.raises(AssertionError, match="no kernel parameter can help"):
        state(effective_next, tables=("APIC",), denied=["/boot/grub"], more={"/boot/grub/grub.cfg": None})


def test_iommu_is_effective_after_the_next_boot__broken_for_the_entry_that_really_boots():
    older = f"gnulinux-advanced-{UUID}>gnulinux-6.1.0-44-amd64-advanced-{UUID}"
    with pytest.raises(AssertionError, match=r"with Linux 6\.1\.0-44-amd64"):
        state(effective_next, default=older, old="quiet")
    once = {"/boot/grub/grubenv": "# GRUB Environment Block\nnext_entry=1>2\n#####"}
    with pytest.raises(AssertionError, match=r"with Linux 6\.1\.0-44-amd64"):
        state(effective_next, old="quiet", more=once)
    saved = {"/boot/grub/grubenv": "saved_entry=Advanced options for Debian GNU/Linux>2\n"}
    with pytest.raises(AssertionError, match=r"with Linux 6\.1\.0-44-amd64"):
        state(effective_next, default="${saved_entry}", old="quiet", more=saved)


def test_iommu_is_effective_after_the_next_boot__holds_when_a_reboot_is_pending():
    advice = state(effective_next, running="quiet", effective=False)
    assert "a reboot is pending" in advice[0] and "(intel_iommu=on)" in advice[0]


def test_iommu_is_effective_after_the_next_boot__holds_by_the_kernels_default_with_advice():
    assert "kernel's own default" in state(effective_next, entry="quiet", config=DEBIAN_CONFIG)[0]
    assert state(effective_next, entry="quiet", config="CONFIG_INTEL_IOMMU_DEFAULT_ON=y\n")


def test_iommu_is_effective_after_the_next_boot__holds_when_only_another_entry_lacks_it():
    assert not state(effective_next, old="quiet")
    assert not state(effective_next, default="7", old="quiet")  # out of range: GRUB takes the first


def test_iommu_is_effective_after_the_next_boot__holds_on_amd_without_a_parameter():
    assert not state(effective_next, tables=("IVRS",), entry="quiet", config=None)


def test_iommu_is_effective_after_the_next_boot__holds_and_breaks_on_arm_by_what_iort_describes():
    arm = {"tables": ("IORT",), "entry": "quiet", "config": None, "running": "quiet"}
    table = "/sys/firmware/acpi/tables/IORT"
    assert not state(effective_next, more={table: iort(0, 4)}, **arm)
    with pytest.raises(AssertionError, match="no kernel parameter can help"):
        state(effective_next, more={table: iort(0, 2)}, effective=False, **arm)
    assert not state(effective_next, denied=[table], **arm)  # the same kernel has it now
    with pytest.raises(CouldNotLook, match="only root may read whether IORT"):
        state(effective_next, denied=[table], **{**arm, "running": "iommu.passthrough=1", "entry": "iommu=pt"})


def test_iommu_is_effective_after_the_next_boot__a_firmware_that_opts_in_decides_only_for_some():
    table = {"/sys/firmware/acpi/tables/DMAR": dmar(4)}
    assert not state(effective_next, running="quiet", entry="quiet", more=table)  # so it is now, with the same kernel
    with pytest.raises(CouldNotLook, match="the firmware opts in"):
        state(effective_next, entry="quiet", more=table)
    with pytest.raises(AssertionError, match="no parameter turns it on"):
        state(effective_next, entry="quiet", more={"/sys/firmware/acpi/tables/DMAR": dmar(1)})


def test_iommu_is_effective_after_the_next_boot__unknown_default_is_taken_from_the_same_kernel_now():
    assert not state(effective_next, running="quiet", entry="quiet", config=None)
    with pytest.raises(CouldNotLook, match="is not there"):
        state(effective_next, running="intel_iommu=on", entry="quiet", config=None)


def test_iommu_is_effective_after_the_next_boot__could_not_look_where_boot_is_denied():
    with pytest.raises(CouldNotLook, match=r"not allowed to read '/boot/grub'"):
        state(effective_next, denied=["/boot/grub"], more={"/boot/grub/grub.cfg": None})
    with pytest.raises(CouldNotLook, match="no GRUB configuration"):
        state(effective_next, more={"/boot/grub/grub.cfg": None})
    with pytest.raises(CouldNotLook, match="boots 'UEFI Firmware Settings', which is no Linux entry"):
        state(effective_next, default="uefi-firmware")


def test_iommu_is_effective_after_the_next_boot__broken_and_holds_by_bls_entries():
    with pytest.raises(AssertionError, match=r"parameters of /boot/loader/entries/id-5.14.0-427"):
        state(effective_next, more=rhel("root=/dev/sda ro", newest="ro intel_iommu=on"))
    assert not state(effective_next, more=rhel("root=/dev/sda ro intel_iommu=on"))
    env = "kernelopts=root=/dev/sda ro intel_iommu=on\n"
    assert not state(effective_next, more=rhel("ro", env=env, newest="$kernelopts $tuned_params"))


def test_interrupt_remapping_is_on_after_the_next_boot__broken_by_intremap_off():
    with pytest.raises(AssertionError, match=r"intremap=off in /boot/grub/grub.cfg"):
        state(remapped_next, entry="intel_iommu=on intremap=nosid,off")


def test_interrupt_remapping_is_on_after_the_next_boot__holds_when_a_later_word_turns_it_on():
    state(remapped_next, entry="intremap=off intremap=on")
    with pytest.raises(pytest.skip.Exception):
        state(remapped_next, wanted=Host(connect="local://", interrupt_remapping="any"), entry="intremap=off")


def test_boot_entry_has_the_configured_parameters__broken_when_edited_but_not_applied():
    with pytest.raises(
        AssertionError, match=r"'intel_iommu=on' of /etc/default/grub:3 \(GRUB_CMDLINE_LINUX\).*update-grub"
    ):
        state(applied, entry="quiet")
    with pytest.raises(AssertionError, match=r"intel_iommu=on still in .* no longer asked for"):
        state(applied, source="")
    with pytest.raises(AssertionError, match=r"'intel_iommu=on' of .*; run grubby"):
        state(applied, more=rhel("ro"))


def test_boot_entry_has_the_configured_parameters__holds_across_spelling_and_additions():
    state(applied, source="intel-iommu=on", entry='"intel_iommu=on" quiet $vt_handoff splash')
    state(applied, more=rhel("root=/dev/sda ro rhgb intel_iommu=on"))
    state(applied, default="1>1", source="")
    with pytest.raises(pytest.skip.Exception):
        state(applied, more={"/etc/default/grub": None})


def test_boot_entry_has_the_configured_parameters__later_files_and_shell_syntax_count():
    more = {"/etc/default/grub.d/50-site.cfg": 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX iommu=pt" # ours\n'}
    with pytest.raises(AssertionError, match=r"'iommu=pt' of /etc/default/grub.d/50-site.cfg:1"):
        state(applied, more=more)
    more = {"/etc/default/grub.d/50-site.cfg": 'GRUB_CMDLINE_LINUX="`cat /etc/x`"\n'}
    with pytest.raises(CouldNotLook, match=r"50-site.cfg:1: only a shell can tell"):
        state(applied, more=more)


runs = statements.test_wanted_kernel_parameters_run
stays = statements.test_wanted_kernel_parameters_stay
PAGES = "default_hugepagesz=1G"
WANTED = Host(connect="local://", kernel_parameters=(PAGES,))


@pytest.mark.parametrize("running", ["quiet", "default_hugepagesz=2M", f"{PAGES} default_hugepagesz=2M", f"-- {PAGES}"])
def test_wanted_kernel_parameters_run__broken_when_neither_this_nor_the_next_boot_has_it(running):
    with pytest.raises(AssertionError, match=r"the kernel runs without default_hugepagesz=1G .*a reboot does not help"):
        state(runs, wanted=WANTED, running=running)
    with pytest.raises(AssertionError, match=r"what the next boot will do is not known"):
        state(runs, wanted=WANTED, running=running, denied=["/boot/grub"], more={"/boot/grub/grub.cfg": None})


def test_wanted_kernel_parameters_run__holds_now_and_with_advice_while_a_reboot_is_pending():
    assert not state(runs, wanted=WANTED, running=f"default-hugepagesz=2M {PAGES}")
    assert "a reboot is pending" in state(runs, wanted=WANTED, running="quiet", entry=PAGES)[0]
    with pytest.raises(pytest.skip.Exception):
        state(runs, running="quiet")


def test_wanted_kernel_parameters_stay__broken_in_each_state_with_its_own_way_out():
    with pytest.raises(AssertionError, match=r"active now, and gone after the next boot; add it to /etc/default/grub"):
        state(stays, wanted=WANTED, running=PAGES)
    with pytest.raises(AssertionError, match=r"edited but not applied, not active now either; run update-grub"):
        state(stays, wanted=WANTED, source=PAGES)
    with pytest.raises(AssertionError, match=r"\(it has 'default_hugepagesz=1G default_hugepagesz=2M'\)"):
        state(stays, wanted=WANTED, entry=f"{PAGES} default_hugepagesz=2M", source=PAGES)
    with pytest.raises(AssertionError, match=r"but not in /etc/default/grub: the next kernel's entry will lack it"):
        state(stays, wanted=WANTED, running=PAGES, entry=PAGES, source="quiet")


def test_wanted_kernel_parameters_stay__holds_in_entry_and_source():
    assert not state(stays, wanted=WANTED, running="quiet", entry=f"{PAGES} quiet", source=PAGES)
    more = rhel(f"ro {PAGES}", source="quiet")
    assert "the next kernel's entry will lack it" in state(stays, wanted=WANTED, more=more)[0]
    wanted = Host(connect="local://", kernel_parameters=("intel_iommu=on",))
    assert not state(stays, wanted=wanted, entry="intel_iommu=sm_on,on", source="intel_iommu=on,sm_on")
    with pytest.raises(CouldNotLook, match="not allowed to read '/boot/grub'"):
        state(stays, wanted=WANTED, denied=["/boot/grub"], more={"/boot/grub/grub.cfg": None})
    with pytest.raises(CouldNotLook, match="only a shell can tell"):
        state(stays, wanted=WANTED, entry=PAGES, source="$(cat /etc/x)")


dma_stays = statements.test_dma_policy_stays_after_the_next_boot
LAZY = "CONFIG_IOMMU_DEFAULT_DMA_LAZY=y\n# CONFIG_IOMMU_DEFAULT_PASSTHROUGH is not set\n"


@pytest.mark.parametrize(
    ("wanted", "entry", "found"),
    [
        ({"dma_domain": "translated"}, "iommu=pt", "domain passthrough, wanted translated"),
        ({"dma_domain": "translated"}, "iommu.passthrough=0 iommu.passthrough=1", "domain passthrough"),
        ({"dma_domain": "passthrough"}, "iommu=pt,nopt", "domain translated, wanted passthrough"),
        ({"dma_invalidation": "strict"}, "quiet", "invalidation lazy, wanted strict"),
        ({"dma_invalidation": "lazy"}, "amd_iommu=fullflush", "invalidation strict, wanted lazy"),
    ],
)
def test_dma_policy_stays_after_the_next_boot__broken_by_parameter_or_config(wanted, entry, found):
    with pytest.raises(AssertionError, match=found):
        state(dma_stays, wanted=Host(connect="local://", **wanted), entry=entry, config=LAZY)


@pytest.mark.parametrize(
    ("wanted", "entry"),
    [
        ({"dma_domain": "translated", "dma_invalidation": "lazy"}, "quiet"),
        ({"dma_domain": "passthrough", "dma_invalidation": "strict"}, "iommu=pt"),
        ({"dma_invalidation": "strict"}, "intel_iommu=on,strict"),
        ({"dma_domain": "passthrough"}, "iommu.passthrough=0 iommu.passthrough=on"),
    ],
)
def test_dma_policy_stays_after_the_next_boot__holds_by_parameter_or_config(wanted, entry):
    assert not state(dma_stays, wanted=Host(connect="local://", **wanted), entry=entry, config=LAZY)


def test_dma_policy_stays_after_the_next_boot__is_unknown_without_parameter_and_config():
    with pytest.raises(pytest.skip.Exception):
        state(dma_stays)
    with pytest.raises(CouldNotLook, match=r"decides about the domain and invalidation of DMA"):
        wanted = Host(connect="local://", dma_domain="translated", dma_invalidation="strict")
        state(dma_stays, wanted=wanted, entry="quiet", config=None)


@given(st.text(alphabet=st.sampled_from("menuentry submenu'\"{}\n$=>0a \\linux/vmlinuz-set default#`(;"), max_size=200))
def test_parse_raises_only_its_own_error(text):
    paths = [
        "/boot/grub/grub.cfg",
        "/boot/grub/grubenv",
        "/etc/default/grub",
        "/proc/cmdline",
        "/boot/loader/entries/a.conf",
    ]
    with contextlib.suppress(CouldNotLook):
        boot_parameters.parse(gathered(more=dict.fromkeys(paths, text)))
