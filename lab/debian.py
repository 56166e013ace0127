"""Debian trees by mmdebstrap, from the address and with the keyring that this machine's own apt uses for Debian.

Nothing of the machine's apt configuration is changed, and no mirror is named here: what serves the machine's own
release serves the one the lab needs too.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RELEASE = "trixie"  # the first with QEMU 10 (igb, libvirt 11); the machine itself may run another
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INLINE_KEY = "-----BEGIN"
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)$")


class DebianError(Exception):
    """No Debian tree can be made here; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One suite at one address, as apt's sources name it."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None = None

    def one_line(self, release: str) -> str:
        """The same address and keyring for another release, in apt's one-line form."""
        options = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {options}{self.uri} {release} main"


def parse_one_line(text: str) -> Iterator[Entry]:
    """Entries of a `.list` file. Source: sources.list(5), "One-line-style format"."""
    for raw in text.splitlines():
        match = _ONE_LINE.match(raw.partition("#")[0].strip())
        if match:
            options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
            yield Entry(match["uri"], match["suite"], tuple(match["components"].split()), options.get("signed-by"))


def parse_deb822(text: str) -> Iterator[Entry]:
    """Entries of a `.sources` file. Source: sources.list(5), "deb822-style format"."""
    for stanza in re.split(r"\n\s*\n", _without_comments(text)):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        signed_by = fields.get("signed-by")
        # The key itself may stand here instead of a path; then the keyring package has the same one.
        path = None if not signed_by or _INLINE_KEY in signed_by else signed_by.replace(" ", ",")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Entry(uri, suite, tuple(fields.get("components", "").split()), path)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _fields(stanza: str) -> dict[str, str]:
    unfolded = re.sub(r"\n[ \t]+", " ", stanza)
    pairs = (line.partition(":") for line in unfolded.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def entries(apt: Path) -> Iterator[Entry]:
    """Every entry below an apt configuration folder, in the order apt reads them."""
    main = apt / "sources.list"
    parts = sorted((apt / "sources.list.d").glob("*")) if (apt / "sources.list.d").is_dir() else []
    for path in [main, *parts]:
        if path.suffix == ".list" and path.is_file():
            yield from parse_one_line(path.read_text())
        elif path.suffix == ".sources" and path.is_file():
            yield from parse_deb822(path.read_text())


def own_debian(apt: Path = Path("/etc/apt"), os_release: Path = Path("/etc/os-release")) -> Entry:
    """The entry that serves this machine's own Debian release. Raises `DebianError`.

    Known by its suite, the machine's own code name: security, updates and backports have other names.
    """
    system = dict(line.partition("=")[::2] for line in os_release.read_text().splitlines())
    codename = system.get("VERSION_CODENAME", "").strip('"')
    if system.get("ID", "").strip('"') != "debian" or not codename:
        raise DebianError("the lab builds its images from this machine's Debian mirror, and this machine is no Debian")
    names = {codename, "stable", "oldstable", "testing", "unstable", "sid"}
    found = [entry for entry in entries(apt) if entry.suite in names and "main" in entry.components]
    if not found:
        raise DebianError(f"{apt}: no source entry serves this machine's own release ({codename}, component main)")
    best = min(found, key=lambda entry: entry.suite != codename)
    signed_by = best.signed_by or (str(KEYRING) if KEYRING.exists() else None)
    return Entry(best.uri, best.suite, best.components, signed_by)


def proxy_options() -> list[str]:
    """The machine's proxies, as mmdebstrap's apt would not see them otherwise."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False).stdout
    return [line.rstrip(";") for line in dump.splitlines() if "proxy" in line.lower() and not line.endswith('"";')]


def mmdebstrap_command(entry: Entry, packages: list[str], archive: Path) -> list[str]:
    """The argument list that writes a tar of Debian with these packages to `archive`."""
    return [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        "--format=tar",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={option}" for option in proxy_options()),
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        f"--include={','.join(packages)}",
        RELEASE,
        str(archive),
        entry.one_line(RELEASE),
    ]


def bootstrap(packages: list[str], archive: Path, log: Path) -> None:
    """Write a tar of Debian `RELEASE` with `packages`; all that was said on the way goes to `log`.

    Raises `DebianError` with the first complaint and where the log is.
    """
    command = mmdebstrap_command(own_debian(), packages, archive)
    # The lab's initramfs is its own: Debian's would be built for nothing (initramfs-tools, etc/kernel/postinst.d).
    environment = {**os.environ, "INITRD": "No", "LC_ALL": "C.UTF-8"}
    with log.open("w") as file:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, check=False
        )
    if result.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()
        complaint = next((line for line in lines if line.startswith("E:")), lines[-1] if lines else "nothing was said")
        raise DebianError(f"mmdebstrap could not make a Debian {RELEASE} tree: {complaint} (whole log: {log})")
