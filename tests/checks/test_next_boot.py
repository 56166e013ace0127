"""Which entry boots next and by which tool it changes, on the layouts that distributions have.

No machine here has them; they are written after: the RHEL 7 system administrator's guide 26.1 and RHEL 8/9 "Managing,
monitoring and updating the kernel" (BLS, $kernelopts, --update-bls-cmdline); openSUSE's shim-install (its pointer);
systemd's kernel-install(8), loader.conf(5), ukify(1); Pop!_OS' kernelstub; the rpm-ostree documentation.
"""

from __future__ import annotations

import gzip

import pytest

from checks import test_boot_parameters as statements
from checks.bundle import Bundle
from checks.facts import boot_parameters
from checks.outcome import CouldNotLook
from tests.checks.boot_samples import ATTRIBUTES, boot_option, loader, order, uki
from tests.checks.grub_cfg import BLS_CFG, UUID, bls, grub_cfg

EFI = {"/sys/firmware/efi": ("efivars", "fw_platform_size", "systab")}
POINTER = "search.fs_uuid 0b6a0d4c root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
RHEL9_POINTER = (
    "search --no-floppy --root-dev-only --fs-uuid --set=dev 0b6a0d4c\nset prefix=($dev)/grub2\nexport $prefix\n"
    "configfile $prefix/grub.cfg\n"
)
SUSE_POINTER = 'search --fs-uuid --set=root 0b6a0d4c\nset prefix=(${root})/boot/grub2\nsource "${prefix}/grub.cfg"\n'
RELEASE = "5.14.0-427.el9.x86_64"
ENTRY = f"/boot/loader/entries/0a1b-{RELEASE}.conf"
MKCONFIG = {"/usr/sbin/grub2-mkconfig": "export GRUB_UPDATE_BLS_CMDLINE\n"}


def system(name, like=""):
    return {"/etc/os-release": f'NAME="{name}"\nID="{name}"\nID_LIKE="{like}"\n'}


def look(files, efi=True, **more):
    found = {"/proc/cmdline": "quiet\n", "/proc/sys/kernel/osrelease": "6.12.0\n"} | files
    return boot_parameters.parse(Bundle.of(files=found, names=EFI if efi else {}, **more))


def entry(boot):
    if isinstance(boot.next_boot, CouldNotLook):
        raise boot.next_boot
    return boot.next_boot.where, " ".join(p.text for p in boot.next_boot.parameters)


def rhel(options, env="", **files):
    return {
        "/boot/grub2/grub.cfg": BLS_CFG,
        "/boot/grub2/grubenv": f"# GRUB Environment Block\nsaved_entry=0a1b-{RELEASE}\n{env}",
        ENTRY: bls(RELEASE, options),
        "/etc/default/grub": 'GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX="intel_iommu=on"\n',
        **system("rhel", "fedora"),
        **files,
    }


def test_rhel_7_boots_from_the_efi_partition_and_the_other_file_is_the_wrong_one():
    files = {
        "/boot/grub2/grub.cfg": grub_cfg("intel_iommu=on"),
        "/boot/efi/EFI/redhat/grub.cfg": grub_cfg("quiet"),
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="intel_iommu=on"\n',
        **system("rhel", "fedora"),
    }
    boot = look(files)
    assert entry(boot) == ("/boot/efi/EFI/redhat/grub.cfg, entry 'Debian GNU/Linux'", f"root=UUID={UUID} ro quiet")
    assert boot.how_to_apply.startswith("run grub2-mkconfig -o /boot/efi/EFI/redhat/grub.cfg; not -o /boot/grub2/")
    assert "intel_iommu=on" in entry(look(files, efi=False))[1]  # without EFI nobody reads that one


def test_rhel_8_takes_kernelopts_from_the_grubenv_beside_its_menu():
    files = rhel("$kernelopts $tuned_params") | {
        "/boot/grub2/grub.cfg": None,
        "/boot/efi/EFI/redhat/grub.cfg": BLS_CFG,
        "/boot/efi/EFI/redhat/grubenv": f"saved_entry=0a1b-{RELEASE}\nkernelopts=ro a=1\ntuned_params=isolcpus=2\n",
    }
    boot = look({path: text for path, text in files.items() if text is not None})
    assert entry(boot) == (ENTRY, "ro a=1 isolcpus=2")
    assert "run grub2-mkconfig -o /boot/efi/EFI/redhat/grub.cfg: it writes $kernelopts" in boot.how_to_apply


@pytest.mark.parametrize(
    ("mkconfig", "tool"),
    [
        (MKCONFIG, "run grubby --update-kernel=ALL"),  # 9.3 and later, 10
        ({"/usr/sbin/grub2-mkconfig": ""}, "run grub2-mkconfig -o /boot/grub2/grub.cfg"),  # 9.0 to 9.2
        ({}, "run grubby --update-kernel=ALL"),
    ],
)
def test_rhel_9_tells_by_its_own_tool_whether_it_spares_the_entries(mkconfig, tool):
    boot = look(rhel("ro", **mkconfig, **{"/boot/efi/EFI/redhat/grub.cfg": RHEL9_POINTER}))
    assert entry(boot) == (ENTRY, "ro")
    assert boot.how_to_apply.startswith(tool)


def test_several_vendors_on_one_partition_are_told_apart_by_the_firmwares_list():
    files = {
        "/boot/efi/EFI/redhat/grub.cfg": grub_cfg("one"),
        "/boot/efi/EFI/centos/grub.cfg": grub_cfg("other"),
        "/boot/efi/EFI/BOOT/grub.cfg": grub_cfg("fallback"),
    }
    with pytest.raises(CouldNotLook, match=r"EFI/centos/grub.cfg and /boot/efi/EFI/redhat/grub.cfg are there"):
        entry(look(files))
    files |= boot_option(1, "/EFI/CentOS/shimx64.efi") | boot_option(2, "/EFI/redhat/shimx64.efi")
    files |= boot_option(3, "/EFI/redhat/grubx64.efi", active=False) | order(3, 1, 2)
    assert entry(look(files))[1].endswith("other")
    assert entry(look(files | order(2, name="BootNext")))[1].endswith("one")


def test_ubuntu_and_debian_have_a_pointer_on_the_partition():
    files = {"/boot/grub/grub.cfg": grub_cfg("quiet"), "/boot/efi/EFI/ubuntu/grub.cfg": POINTER}
    boot = look(files | system("ubuntu", "debian"))
    assert entry(boot)[0].startswith("/boot/grub/grub.cfg")
    assert boot.how_to_apply == "run update-grub"
    two = look({**files, "/boot/grub2/grub.cfg": grub_cfg("other")})
    assert entry(two)[0].startswith("/boot/grub/grub.cfg")
    assert entry(look(files, denied=["/boot/efi"]))[0].startswith("/boot/grub/grub.cfg")


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("sles", "run update-bootloader, or grub2-mkconfig -o /boot/grub2/grub.cfg"),
        ("opensuse-leap", "run update-bootloader"),
        ("sle-micro", "run transactional-update grub.cfg"),
        ("opensuse-microos", "run transactional-update grub.cfg"),
    ],
)
def test_suse(name, tool):
    files = {
        "/boot/grub2/grub.cfg": grub_cfg("intel_iommu=on"),
        "/boot/efi/EFI/opensuse/grub.cfg": SUSE_POINTER,
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on"\n',
    }
    boot = look(files | system(name, "suse opensuse"))
    assert entry(boot)[0].startswith("/boot/grub2/grub.cfg")
    assert boot.how_to_apply.startswith(tool)
    assert [p.text for line in boot.configured.values() for p in line] == ["intel_iommu=on"]


def test_ostree_keeps_its_parameters_in_its_entries_and_in_no_file():
    boot = look(rhel("ro", **{"/run/ostree-booted": ""}))
    assert (boot.configured, boot.how_to_apply) == (None, "run rpm-ostree kargs --append-if-missing=...")


def test_tuned_is_a_source_of_its_own_and_its_variable_in_grubs_is_none():
    files = {
        "/boot/grub/grub.cfg": grub_cfg("isolcpus=2").replace("export menu", "set tuned_params=x\nexport menu"),
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet \\$tuned_params"\n',
        "/etc/tuned/bootcmdline": 'TUNED_BOOT_CMDLINE="isolcpus=2"\n',
    }
    configured = look(files).configured
    assert {where: [p.text for p in line] for where, line in configured.items()} == {
        "/etc/tuned/bootcmdline:1 (TUNED_BOOT_CMDLINE)": ["isolcpus=2"],
        "/etc/default/grub:1 (GRUB_CMDLINE_LINUX_DEFAULT)": ["quiet"],
    }


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="a=1 b=\\"2 3\\""\n', 'a=1 b="2 3" quiet'),
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="a=1"\nCONFIG_CMDLINE_OVERRIDE=y\n', "a=1"),
        ('CONFIG_CMDLINE="a=1"\nCONFIG_CMDLINE_FROM_BOOTLOADER=y\n', "quiet"),
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE=""\n', "quiet"),
    ],
)
def test_what_the_kernel_has_built_in_counts(config, expected):
    files = {"/boot/grub/grub.cfg": grub_cfg("quiet"), "/boot/config-6.12.107": config}
    assert entry(look(files))[1].replace(f"root=UUID={UUID} ro ", "") == expected


def test_the_running_kernels_config_may_be_found_in_proc():
    line = "CONFIG_X=y\nCONFIG_INTEL_IOMMU_DEFAULT_ON=y\n"
    boot = look({"/proc/config.gz": gzip.compress(line.encode())})
    assert boot.configs == {"6.12.0": "CONFIG_INTEL_IOMMU_DEFAULT_ON=y\n"}
    assert boot_parameters.intel_default(boot, "6.12.0") is True
    assert boot_parameters.intel_default(boot, "6.1.0") is None
    assert isinstance(look({"/proc/config.gz": b"no gzip"}).configs, CouldNotLook)
    assert look({"/proc/config.gz": gzip.compress(bytes(1 << 26))}).configs == {"6.12.0": ""}


TOKEN = "4a5b6c7d8e9f"
SDBOOT = loader(LoaderInfo="systemd-boot 257.8-1~deb13u1")


def sdboot(root="/boot/efi", **lines):
    """Entries as kernel-install's 90-loaderentry writes them; the options by release, '_' for '.' and '-'."""
    found = {}
    for name, options in lines.items():
        release = name.replace("_", ".").removeprefix("v")
        found[f"{root}/loader/entries/{TOKEN}-{release}.conf"] = (
            f"title      Debian GNU/Linux\nversion    {release}\nmachine-id {TOKEN}\nsort-key   debian\n"
            f"options    root=UUID=1 ro {options}\nlinux      /{TOKEN}/{release}/linux\n"
        )
    return found | {"/etc/kernel/cmdline": "root=UUID=1 ro intel_iommu=on\n"}


def test_systemd_boot_takes_the_newest_and_kernel_install_is_its_tool():
    boot = look(sdboot(v6_9_1="old", v6_12_3="new") | SDBOOT)
    assert entry(boot) == (f"/boot/efi/loader/entries/{TOKEN}-6.12.3.conf", "root=UUID=1 ro new")
    assert (boot.next_boot.release, boot.next_boot.loader) == ("6.12.3", "systemd-boot")
    assert boot.how_to_apply.startswith("run kernel-install add")
    assert list(boot.configured) == ["/etc/kernel/cmdline"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"/boot/efi/loader/loader.conf": f"#default x\ntimeout 3\ndefault {TOKEN}-6.9*\n"}, "old"),
        (loader(LoaderEntryDefault=f"{TOKEN}-6.9.1.conf"), "old"),
        (
            loader(LoaderEntryDefault=f"{TOKEN}-6.9.1.conf") | loader(LoaderEntryOneShot=f"{TOKEN}-6.12.3.conf"),
            "new",
        ),
        (
            {"/boot/efi/loader/loader.conf": "default @saved\n"} | loader(LoaderEntryLastBooted=f"{TOKEN}-6.9.1.conf"),
            "old",
        ),
        ({"/boot/efi/loader/loader.conf": "default gone-*\n"}, "new"),
    ],
)
def test_systemd_boot_heeds_its_wishes_in_their_order(more, expected):
    assert entry(look(sdboot(v6_9_1="old", v6_12_3="new") | SDBOOT | more))[1].endswith(expected)


def test_systemd_boot_passes_over_an_entry_that_has_no_tries_left():
    files = sdboot(v6_9_1="old", v6_12_3="new") | SDBOOT
    tried = {path.replace("6.12.3.conf", "6.12.3+0-3.conf"): text for path, text in files.items()}
    assert entry(look(tried))[1].endswith("old")
    good = {path.replace("6.12.3.conf", "6.12.3+2-1.conf"): text for path, text in files.items()}
    assert entry(look(good))[1].endswith("new")


def test_systemd_boot_without_entries_or_with_another_system_is_not_known():
    with pytest.raises(CouldNotLook, match="systemd-boot has no entry"):
        entry(look(SDBOOT))
    with pytest.raises(CouldNotLook, match="'auto-windows', which is no Linux entry"):
        entry(look(sdboot(v6_12_3="new") | SDBOOT | loader(LoaderEntryDefault="auto-windows")))
    with pytest.raises(CouldNotLook, match="not allowed to read '/boot/efi'"):
        entry(look(SDBOOT, denied=["/boot/efi"]))


def test_systemd_boot_knows_entries_that_are_no_linux():
    memtest = {"/boot/efi/loader/entries/memtest.conf": "title m\nsort-key a\nefi /memtest.efi\noptions x\n"}
    with pytest.raises(CouldNotLook, match=r"'memtest\.conf', which is no Linux entry"):
        entry(look(sdboot(v6_12_3="new") | SDBOOT | memtest))
    wish = loader(LoaderEntryDefault=f"{TOKEN}-*")
    assert entry(look(sdboot(v6_12_3="new") | SDBOOT | memtest | wish))[1].endswith("new")


def test_a_grub_that_is_left_over_beside_systemd_boot_is_told_by_who_booted():
    files = sdboot(v6_12_3="new") | {"/boot/grub/grub.cfg": grub_cfg("quiet")}
    assert entry(look(files))[1].endswith("quiet")
    assert entry(look(files | SDBOOT))[1].endswith("new")
    grub = loader(LoaderInfo="GRUB 2.12-9") | boot_option(0, "/EFI/systemd/systemd-bootx64.efi") | order(0)
    assert entry(look(files | grub))[1].endswith("new")  # installed just now, and first in the firmware's list


def test_kernelstub_and_proxmox_have_tools_of_their_own():
    options = '{"default": {}, "user": {"kernel_options": ["quiet", "intel_iommu=on"]}}'
    boot = look(sdboot(v6_12_3="x") | SDBOOT | {"/etc/kernelstub/configuration": options})
    assert boot.how_to_apply.startswith("run kernelstub")
    assert [p.text for line in boot.configured.values() for p in line] == ["quiet", "intel_iommu=on"]
    broken = look(sdboot(v6_12_3="x") | SDBOOT | {"/etc/kernelstub/configuration": "["})
    assert isinstance(broken.configured, CouldNotLook)
    assert look(sdboot(v6_12_3="x") | SDBOOT | {"/etc/kernel/proxmox-boot-uuids": "7C9D-1A2B\n"}).how_to_apply == (
        "run proxmox-boot-tool refresh"
    )


IMAGE = "/boot/efi/EFI/Linux/debian-6.12.3.efi"
SECTIONS = [
    (".osrel", 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'),
    (".cmdline", "root=UUID=1 ro intel_iommu=on\n\0"),
    (".uname", "6.12.3"),
    (".linux", bytes(4096)),
]


def test_a_unified_kernel_image_has_its_parameters_inside():
    files = {IMAGE: uki(SECTIONS), "/etc/kernel/cmdline": "root=UUID=1 ro iommu=pt\n"}
    nobody_says: dict[str, bytes] = {}
    for booted in (SDBOOT, boot_option(4, "/EFI/Linux/DEBIAN-6.12.3.EFI") | order(4), nobody_says):
        boot = look(files | booted)
        assert entry(boot) == (IMAGE, "root=UUID=1 ro intel_iommu=on")
        assert (boot.next_boot.release, boot.next_boot.loader) == ("6.12.3", "uki")
        assert boot.how_to_apply.startswith("build the image anew")
        assert [p.text for p in boot.configured["/etc/kernel/cmdline"]] == ["root=UUID=1", "ro", "iommu=pt"]


def test_a_unified_kernel_images_addons_and_first_profile_count():
    addon = uki([(".cmdline", "iommu=pt")])
    files = {IMAGE: uki([*SECTIONS, (".profile", "ID=main"), (".profile", "ID=rescue"), (".cmdline", "rescue")])}
    assert entry(look(files))[1] == "root=UUID=1 ro intel_iommu=on"
    files |= {
        f"{IMAGE}.extra.d/dma.addon.efi": addon,
        "/boot/efi/loader/addons/a.addon.efi": uki([(".cmdline", "a=1")]),
    }
    boot = look(files | {"/etc/kernel/cmdline": "root=UUID=1 ro intel_iommu=on\n"})
    assert entry(boot)[1] == "root=UUID=1 ro intel_iommu=on iommu=pt a=1"
    assert not boot.next_boot.from_source
    statements.test_boot_entry_has_the_configured_parameters("host", boot)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"/etc/kernel/uki.conf": "[UKI]\nCmdline=ro a=1\n", "/etc/kernel/cmdline": "b"}, ["ro", "a=1"]),
        ({"/etc/kernel/uki.conf": "[UKI]\nCmdline=@/etc/kernel/cmdline\n", "/etc/kernel/cmdline": "b"}, ["b"]),
        ({"/etc/dracut.conf.d/uefi.conf": 'kernel_cmdline="ro c"\n'}, ["ro", "c"]),
        ({"/usr/lib/kernel/cmdline": "# ours\nd\n"}, ["d"]),
    ],
)
def test_a_unified_kernel_image_is_written_from_the_first_source_there_is(source, expected):
    (line,) = look({IMAGE: uki(SECTIONS)} | source).configured.values()
    assert [p.text for p in line] == expected


def test_damaged_images_and_variables_are_no_answer_and_no_crash():
    for data in (b"", b"MZ", uki(SECTIONS)[:900], b"MZ" + b"\xff" * 200):
        with pytest.raises(CouldNotLook, match=r"debian-6\.12\.3\.efi"):
            entry(look({IMAGE: data}))
    files = {"/boot/grub/grub.cfg": grub_cfg("quiet")} | order(1)
    for data in (b"", ATTRIBUTES, ATTRIBUTES + b"\1\0\0\0\xff\xff" + b"a" * 33):
        path = next(iter(boot_option(1, "/x")))
        assert entry(look(files | {path: data}))[1].endswith("quiet")
