"""grub.cfg as grub-mkconfig 2.12 of Debian 13 writes it, shortened; the lines of 10_linux and 00_header are whole."""

from __future__ import annotations

HEADER = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi

if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi

export menuentry_id_option

function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
function load_video {
  insmod all_video
}
"""
UUID = "0b6a0d4c-5a8e-4bd0-9f6e-2f1d3a2f2c11"


def menuentry(title: str, identifier: str, kernel: str, parameters: str, indent: str = "") -> str:
    lines = [
        f"menuentry '{title}' --class debian --class gnu-linux --class os $menuentry_id_option '{identifier}' {{",
        "\tload_video",
        "\tinsmod gzio",
        "\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi",
        f"\tsearch --no-floppy --fs-uuid --set=root {UUID}",
        f"\techo\t'Loading Linux {kernel} ...'",
        f"\tlinux\t/boot/vmlinuz-{kernel} root=UUID={UUID} ro {parameters}",
        f"\tinitrd\t/boot/initrd.img-{kernel}",
        "}",
    ]
    return "".join(f"{indent}{line}\n" for line in lines)


def grub_cfg(parameters: str, default: str = "0", old: str | None = None) -> str:
    """The simple entry, and a submenu with the newest kernel, its recovery entry and an older kernel."""
    old = parameters if old is None else old
    new_id, old_id = f"gnulinux-6.12.107-advanced-{UUID}", f"gnulinux-6.1.0-44-amd64-advanced-{UUID}"
    return (
        HEADER.replace("DEFAULT", default)
        + menuentry("Debian GNU/Linux", f"gnulinux-simple-{UUID}", "6.12.107", parameters)
        + f"submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-{UUID}' {{\n"
        + menuentry("Debian GNU/Linux, with Linux 6.12.107", new_id, "6.12.107", parameters, "\t")
        + menuentry("Debian GNU/Linux, with Linux 6.12.107 (recovery mode)", "r", "6.12.107", "single", "\t")
        + menuentry("Debian GNU/Linux, with Linux 6.1.0-44-amd64", old_id, "6.1.0-44-amd64", old, "\t")
        + "}\n"
        + "menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n\tfwsetup\n}\n"
    )


# As grub2-mkconfig writes it on RHEL 9: https://access.redhat.com/solutions/3710121 and grub2's 10_linux_bls.
BLS_CFG = """\
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
else
   set default="${saved_entry}"
fi
if [ -z "${kernelopts}" ]; then
  set kernelopts="root=/dev/mapper/rhel-root ro fallback=1"
fi
insmod blscfg
blscfg
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
  fwsetup
}
"""


def bls(release: str, options: str) -> str:
    return (
        f"title Red Hat Enterprise Linux ({release}) 9.4 (Plow)\nversion {release}\nlinux /vmlinuz-{release}\n"
        f"initrd /initramfs-{release}.img $tuned_initrd\noptions {options}\ngrub_users $grub_users\n"
    )
