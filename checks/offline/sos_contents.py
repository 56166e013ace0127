"""What a sosreport knows of its host, by path and by command line, whichever of its files says so."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from checks.offline import sos_devices, sos_links, sos_manifest
from checks.offline.sos_archive import Files
from checks.offline.sos_coverage import copied, covered
from checks.offline.sos_listings import COMMAND, Listings, listings
from checks.offline.sos_manifest import Manifest

WANTED = ("/boot/", "/etc/", "/lib/", "/proc/", "/run/", "/sys/", "/usr/lib/", "/sos_commands/", "/sos_reports/")
_MOST_HOPS = 8
_OF_BONDS = {"/sys/class/net/*/bonding/*", "/sys/class/net/*/bonding_slave/*", "/proc/net/bonding/*"}
_SETTINGS = {"/proc/sys/net/ipv4/conf/*/arp_notify", "/proc/sys/net/ipv6/conf/*/ndisc_notify"}
_SWAPPED = str.maketrans("./", "/.")
_ROOT_LINKS = "find / -maxdepth 2 -type l -ls"


@dataclass(frozen=True, slots=True)
class Host:
    """`texts`, `links` by path, in order; `names` of whole folders; `outputs` by command line.

    `places`: all that is in them is there. `whole`: all that these very globs find.

    `folders`: those of the archive.
    """

    texts: dict[str, bytes]
    links: dict[str, str]
    folders: set[str]
    names: dict[str, tuple[str, ...]]
    listings: Listings
    outputs: dict[str, bytes]
    places: tuple[str, ...]
    whole: frozenset[str]
    manifest: Manifest

    def covers(self, pattern: str) -> bool:
        """Whether what a glob does not find here was not on the host either."""
        listed = self.listings.within(pattern) and all(path in self.texts for path in self.listings.files(pattern))
        return listed or pattern in self.whole or covered(pattern, self.places)

    def names_in(self, folder: str) -> tuple[str, ...] | None:
        """The names in a folder; None when that is not known, or there is none."""
        known = self.names.get(folder, self.listings.names.get(folder))
        if known is not None or not covered(f"{folder}/*", self.places):
            return known
        start = f"{folder}/"
        below = {path[len(start) :].partition("/")[0] for path in (*self.texts, *self.links) if path.startswith(start)}
        return tuple(sorted(below)) if below or folder in self.folders else None

    def lacks(self, folder: str) -> bool:
        """Whether a folder of which no names are known was not on the host."""
        return self.listings.within(folder) or covered(f"{folder}/*", self.places)


def host_of(files: Files) -> Host:
    """Everything that an archive's files tell."""
    manifest = sos_manifest.read(files.texts.get(sos_manifest.PATH))
    texts = {_usr(path): data for path, data in files.texts.items()}
    # sos writes absolute targets as relative ones, so what they were cannot be told: all are absolute here.
    links = {_usr(path): _target(_usr(path), to) for path, to in files.links.items()}
    texts |= dict(_through_links(texts, links))
    folders = {_usr(path) for path in files.folders}
    return _told(Host(texts, links, folders, {}, Listings(), {}, copied(manifest), frozenset(), manifest))


def _usr(path: str) -> str:
    """Since /usr was merged, /lib is a part of it; sos writes down either."""
    return f"/usr{path}" if path.startswith("/lib/") else path


def _target(path: str, to: str) -> str:
    return _usr(posixpath.normpath(posixpath.join(posixpath.dirname(path), to)))


def _through_links(texts: dict[str, bytes], links: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """The texts that are reached through a link to a file or to a folder above it, such as those of /sys/class."""
    leading: dict[str, list[str]] = {}
    for path in links:
        leading.setdefault(_end(path, links), []).append(path)
    for path, text in texts.items():
        top = path
        while top != "/":
            for link in leading.get(top, ())[:_MOST_HOPS]:
                yield link + path[len(top) :], text
            top = posixpath.dirname(top)


def _end(path: str, links: dict[str, str]) -> str:
    """Where a chain of links ends, within the archive and after so many of them at most."""
    for _ in range(_MOST_HOPS):
        if path not in links:
            break
        path = links[path]
    return path


def _told(host: Host) -> Host:
    """The host with what the outputs of sos's commands tell of it. A file of the archive has the first say."""
    nodes = [line for line in host.manifest.commands if line.startswith(sos_devices.NODE_DEVICE)]
    printed = {line: data for line in nodes if (data := _printed(host, line)) is not None}
    sysfs = sos_devices.sysfs(_printed(host, sos_devices.DATABASE), printed, _printed(host, sos_devices.PCI_LIST))
    texts, outputs, whole = dict(sysfs.texts), {}, set(sysfs.whole)
    if (found := sos_links.links(_printed(host, sos_links.LINKS) or b"")) is not None:
        texts |= dict(sos_links.attributes(found))
        sysfs.links |= dict(sos_links.masters(found))
        whole |= {f"/sys/class/net/*/{name}" for name in ("address", "mtu", "operstate", "master")}
        outputs[sos_links.JSON] = sos_links.as_json(found)
        if not any(one.get("linkinfo", {}).get("info_kind") == "bond" for one in found):
            whole |= _OF_BONDS
    if chips := sos_devices.interrupt_chips(host.texts.get(sos_devices.INTERRUPTS, b"")):
        texts |= chips
        whole.add("/sys/kernel/irq/*/chip_name")
    if words := (_printed(host, "uname -a") or b"").split()[1:3]:
        texts |= {
            f"/proc/sys/kernel/{name}": word + b"\n"
            for name, word in zip(("hostname", "osrelease"), words, strict=False)
        }
    if settings := dict(_settings(_printed(host, "sysctl -a") or b"")):
        texts |= settings
        whole |= _SETTINGS
    root = dict(_root_links(_printed(host, _ROOT_LINKS) or b""))
    listed = [
        (match, data)
        for line in host.manifest.commands
        if (match := COMMAND.fullmatch(line)) and (data := _printed(host, line))
    ]
    return Host(
        texts=dict(sorted({**texts, **host.texts}.items())),
        links=dict(sorted({**root, **host.links, **sysfs.links}.items())),
        folders=host.folders,
        names={folder: tuple(sorted(names)) for folder, names in sysfs.names.items()},
        listings=listings(listed),
        outputs=outputs,
        places=host.places,
        whole=frozenset(whole),
        manifest=host.manifest,
    )


def _printed(host: Host, line: str) -> bytes | None:
    """What a command of sos printed, if it went well and is there whole."""
    output = host.manifest.commands.get(line)
    return host.texts.get(output.path) if output is not None and output.whole and output.rc == 0 else None


def _settings(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Files of /proc/sys as `sysctl -a` lists them: a dot for each slash, and the other way round."""
    for line in text.splitlines():
        name, equals, value = line.partition(b" = ")
        if equals and name.endswith((b".arp_notify", b".ndisc_notify")):
            yield "/proc/sys/" + name.decode("utf-8", "replace").translate(_SWAPPED), value + b"\n"


def _root_links(text: bytes) -> Iterator[tuple[str, str]]:
    """`find -ls` of the links in the root folder, such as /lib."""
    for line in text.decode("utf-8", "replace").splitlines():
        if (found := re.search(r" (/[\w.-]+) -> (\S+)$", line)) is not None:
            yield found[1], found[2]
