"""Debian's own sosreport on a node that has no network: fetched here by apt in folders of its own, unpacked there."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

from lab.debian import RELEASE, own_debian, proxy_options
from lab.session import Lab
from lab.ssh import ssh_command

# The plugins that copy what the checks read. Each of the others would be loaded and asked all the same.
PLUGINS = (
    "boot,cron,devices,grub2,hardware,host,kernel,libvirt,logs,networking,pci,processor,services,systemd,udev,virsh"
)
# Unpacked, not configured: Python would compile itself for minutes on an emulated processor.
_UNPACK = "mkdir /tmp/debs; tar xf - -C /tmp/debs; for d in /tmp/debs/*.deb; do dpkg-deb -x $d /; done; rm -r /tmp/debs"
_REPORT = (
    "PYTHONDONTWRITEBYTECODE=1 sos report --batch --quiet --threads 1 -z gzip --tmp-dir /var/tmp/sos "
    f"-o {PLUGINS} >/var/tmp/sos.log 2>&1"
)


def install(lab: Lab, node: str, folder: Path) -> None:
    """Put the package and what it needs there that the node has not yet on the node."""
    archives = _fetched(lab.output(node, "cat /var/lib/dpkg/status"), folder)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in archives:
            tar.add(path, path.name)
    command = ssh_command(lab.state, node, f"sh -ec '{_UNPACK}'")
    subprocess.run(command, input=packed.getvalue(), check=True, timeout=600)


def report(lab: Lab, node: str, to: Path) -> None:
    """Make a sosreport of the node, and fetch it. It takes minutes: hundreds of commands, and Python is slow there."""
    lab.output(node, f"mkdir -p /var/tmp/sos; {_REPORT}; ls /var/tmp/sos/*.tar.gz", timeout_s=3000)
    done = subprocess.run(
        ssh_command(lab.state, node, "cat /var/tmp/sos/sosreport-*.tar.gz"),
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    to.write_bytes(done.stdout)


def _fetched(status: str, folder: Path) -> list[Path]:
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").write_text(status)
    (folder / "sources.list").write_text(own_debian().one_line(RELEASE) + "\n")
    settings = {
        "Dir::State": str(folder),
        "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder / "cache"),
        "Dir::Etc::sourcelist": str(folder / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
    }
    options = [f"-o{key}={value}" for key, value in settings.items()] + [f"-o{one}" for one in proxy_options()]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    for words in (["update"], ["install", "--yes", "--download-only", "sosreport"]):
        subprocess.run(["apt-get", "-qq", *options, *words], check=True, env=environment, timeout=600)
    return sorted((folder / "cache/archives").glob("*.deb"))
