"""Which places sos copies whole, so that what is not in the archive was not on the host either.

A plugin's list of places is the same on every host; the manifest tells which plugins ran to their end. What sos copies
only in part (it has `/etc/default/grub` and not `/etc/default/grub.d`) stays unknown where it is not there.
Source: sos/report/plugins/*.py of sos 4.0 to 4.12, `add_copy_spec`; the version is the first that has the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from checks.offline.sos_manifest import Manifest

_FIRST = (4, 0)
# By plugin: places (a folder goes with all below it; `*` as in a shell), and since when.
_COPIED: Mapping[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "cron": (("/etc/cron*", _FIRST),),
    "grub2": (
        ("/boot/efi/EFI/*/grub.cfg", _FIRST),
        ("/boot/grub/grub.cfg", _FIRST),
        ("/boot/grub2/custom.cfg", (4, 5, 5)),
        ("/boot/grub2/grub.cfg", _FIRST),
        ("/boot/grub2/grubenv", _FIRST),
        ("/boot/loader/entries", _FIRST),
        ("/etc/default/grub", _FIRST),
    ),
    "kernel": (
        ("/etc/modprobe.d", _FIRST),
        ("/proc/cmdline", _FIRST),
        ("/run/modprobe.d", (4, 5)),
        ("/sys/module/*/parameters", _FIRST),
        ("/usr/lib/modprobe.d", (4, 5)),
        ("/usr/local/lib/modprobe.d", (4, 5)),
    ),
    "libvirt": (
        ("/etc/libvirt/qemu/*.xml", _FIRST),
        ("/etc/libvirt/qemu/networks/*.xml", _FIRST),
        ("/etc/libvirt/qemu/networks/autostart/*.xml", _FIRST),
        ("/run/libvirt", _FIRST),
    ),
    "networking": (("/etc/network*", _FIRST), ("/sys/class/net/*/flags", _FIRST)),
    "networkmanager": (
        ("/etc/NetworkManager/NetworkManager.conf", _FIRST),
        ("/etc/NetworkManager/conf.d", (4, 6, 1)),
        ("/etc/NetworkManager/dispatcher.d", _FIRST),
        ("/etc/NetworkManager/system-connections", _FIRST),
        ("/run/NetworkManager/conf.d", (4, 6, 1)),
        ("/run/NetworkManager/system-connections", (4, 8, 2)),
        ("/usr/lib/NetworkManager/conf.d", (4, 6, 1)),
        ("/usr/lib/NetworkManager/system-connections", (4, 8, 2)),
    ),
    "services": (("/etc/rc.d", _FIRST), ("/etc/rc.local", _FIRST)),
    "systemd": (
        ("/etc/systemd", _FIRST),
        ("/etc/tmpfiles.d/*.conf", (4, 1)),
        ("/run/systemd/generator*", _FIRST),
        ("/run/systemd/system", _FIRST),
        ("/run/tmpfiles.d/*.conf", (4, 1)),
        ("/usr/lib/systemd/system", _FIRST),
        ("/usr/lib/tmpfiles.d/*.conf", (4, 1)),
    ),
    "tuned": (("/etc/tuned", _FIRST), ("/usr/lib/tuned", _FIRST)),
    "udev": (("/etc/udev/rules.d/*", _FIRST), ("/usr/lib/udev/rules.d", _FIRST)),
}

_DEBIANS = ("Debian", "Ubuntu")
_COPIED_THERE: Mapping[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "networking": (
        ("/etc/netplan/*.yaml", _FIRST),
        ("/run/netplan/*.yaml", _FIRST),
        ("/run/systemd/network", _FIRST),
        ("/usr/lib/netplan/*.yaml", _FIRST),
    ),
    "services": (("/etc/rc*.d", _FIRST),),
}


def copied(manifest: Manifest) -> tuple[str, ...]:
    """The places that this archive has whole, /lib being a part of /usr."""
    if not manifest.version:
        return ()
    tables = (_COPIED, _COPIED_THERE) if manifest.policy in _DEBIANS else (_COPIED,)
    return tuple(
        place
        for table in tables
        for plugin, places in table.items()
        if plugin in manifest.plugins
        for place, since in places
        if manifest.version >= since
    )


def covered(pattern: str, places: tuple[str, ...]) -> bool:
    """Whether all that a glob could find on the host lies in one of the places."""
    return any(_within(pattern.split("/"), place.split("/")) for place in places)


def _within(wanted: list[str], place: list[str]) -> bool:
    # Each part of the glob is text for the place's part: `*.rules` is some of `*`, and `*` is more than `*.xml`.
    return len(place) <= len(wanted) and all(map(fnmatchcase, wanted, place))
