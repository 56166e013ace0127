"""Secrets, planted in every file and command that the gather reads, never come back from a host.

Two layers hold them: a source keeps only the lines that matter, and the mask (checks/remote/mask.sed) takes out what
looks like a secret from those that remain. The real script runs on the real paths, in a root of the test's own.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.bundle import Bundle, ReadFailed
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.gather import _MASK, OPEN, script
from checks.source import Command, File, Source
from checks.stream import Envelope
from tests.checks import small_root

B = "fedcba9876543210" * 2
SECRET = "hunter2x{number:05d}"
FOUND = re.compile(rb"hunter2x?\d*")

# Every form in which a line of any file may hold a secret; `%` is it. The line before and the words around may matter.
FORMS = (
    "psk=%",
    'psk="%"',
    "wpa_psk = %",
    "wep-key0=%",
    "password=%",
    "password: %",
    'password: "%"',
    "    password: '%'",
    '{"password": "%", "token":"%"}',
    "<graphics type='vnc' passwd='%' passwdValidTo='2026-01-01T00:00:00'/>",
    "<password>%</password>",
    "<secret type='iscsi'>%</secret>",
    'Environment=API_TOKEN=% "DB_PASSWORD=%"',
    "SetCredential=login:%",
    "ExecStart=/usr/bin/agent --token % --password=%",
    "ExecStart=/bin/sh -c 'echo 4 >/sys/class/net/ens1f0/device/sriov_numvfs; curl -u admin:% https://x/'",
    "ExecStart=/bin/sh -c \"echo 4 >sriov_numvfs; curl -H 'Authorization: Bearer %' https://x/\"",
    "echo 4 >/sys/class/net/ens1f0/device/sriov_numvfs; wget https://user:%@example.net/done",
    "sshpass -p % ssh root@switch; echo 4 >sriov_numvfs",
    "wpa_passphrase lab %",
    'ACTION=="add", ENV{DEPLOY_TOKEN}="%", ATTR{device/sriov_numvfs}="2", RUN+="/bin/x --token=%"',
    'GRUB_CMDLINE_LINUX="quiet intel_iommu=on rd.iscsi.password=% luks.secret=%"',
    "linux /vmlinuz root=/dev/sda1 netroot=iscsi:user:%@192.0.2.1::3260:: intel_iommu=on password=%",
    "set superusers=root",
    "password root %",
    "password_pbkdf2 root grub.pbkdf2.sha512.10000.ABCDEF%",
    "root:$6$salt%aaaaaaaaaaaa$bbbbbbbb%:19000:0",
    "options systemd.set_credential=passwd.hashed-password.root:% intel_iommu=on",
    "total-vfs=4;token=%",
    "virtual-function-count: 4 # the password: %",
)

KEYFILE = """[connection]
id=lab
interface-name=ens1f0
[wifi-security]
key-mgmt=wpa-psk
psk=% with % spaces
[802-1x]
password=% with % spaces
private-key-password=%
[vpn-secrets]
password=%
[sriov]
total-vfs=4
"""
NETPLAN = """network:
  version: 2
  wifis:
    wlan0:
      access-points:
        "lab net":
          password: "% with % spaces"
        other: {auth: {key-management: eap, password: "%", client-key-password: '%'}}
  ethernets:
    ens1f0:
      virtual-function-count: 4
"""
DOMAIN = """<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>guest-1</name>
  <metadata>
    <app:key xmlns:app="urn:x">%</app:key>
  </metadata>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
  <sysinfo type='fwcfg'>
    <entry name='opt/com.example/key'>%</entry>
  </sysinfo>
  <devices>
    <disk type='network'>
      <source protocol='iscsi' name='iqn.2026:x' query='token=%'/>
      <auth username='u'>
        <secret type='iscsi' usage='%'/>
      </auth>
    </disk>
    <graphics type='spice' autoport='yes' passwd='%'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-object'/>
    <qemu:arg value='secret,id=s0,data=%'/>
  </qemu:commandline>
</domain>
"""
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "hunter2AAAA+/" * 5 + "\n-----END OPENSSH PRIVATE KEY-----\n"
# Where these really lie, whether or not anything is said to be read there.
REAL = {
    "/etc/NetworkManager/system-connections/lab.nmconnection": KEYFILE,
    "/run/NetworkManager/system-connections/lab.nmconnection": KEYFILE,
    "/etc/netplan/50-cloud-init.yaml": NETPLAN,
    "/etc/libvirt/qemu/guest-1.xml": DOMAIN,
    "/run/libvirt/qemu/guest-1.xml": f"<domstatus state='running' pid='7'>\n{DOMAIN}</domstatus>\n",
    "/etc/libvirt/secrets/5a1f.base64": "%",
    "/etc/wpa_supplicant/wpa_supplicant.conf": 'network={\n  ssid="lab"\n  psk="% with % spaces"\n}\n',
    "/etc/sysconfig/network-scripts/ifcfg-ens1f0": "DEVICE=ens1f0\nKEY1=%\nWPA_PSK='%'\nKEY_PASSPHRASE1=%\n",
    "/etc/sysconfig/network-scripts/keys-ens1f0": "KEY1=%\nWPA_PSK='%'\n",
    "/etc/network/interfaces": "iface wlan0 inet dhcp\n  wpa-psk % with % spaces\n  wireless-key s:%\n",
    "/etc/network/interfaces.d/wlan0": "iface wlan0 inet dhcp\n  wpa-psk % with % spaces\n",
    "/boot/grub/grub.cfg": "password_pbkdf2 root grub.pbkdf2.sha512.1.%\nmenuentry 'x' {\n linux /v\n}\n",
    "/boot/grub2/user.cfg": "GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.%\n",
    "/etc/grub.d/40_custom": "#!/bin/sh\nexec tail -n +3 $0\npassword root %\n",
    "/etc/default/grub": "GRUB_CMDLINE_LINUX='intel_iommu=on'\n#password_pbkdf2 root grub.pbkdf2.sha512.1.%\n",
    "/etc/shadow": "root:$y$j9T$%aaaaaaaaaaaaa$bbbbbbbbbbbbbbbb:19000:0:99999:7:::\n",
    "/etc/ssh/ssh_host_ed25519_key": KEY,
    "/etc/udev/rules.d/90-key.rules": f'ACTION=="add", ENV{{KEY}}="x"\n{KEY}',
    "/root/.ssh/id_ed25519": KEY,
    "/proc/cmdline": "root=/dev/sda1 intel_iommu=on rd.iscsi.password=% netroot=iscsi:u:%@192.0.2.1::\n",
}


class Planted:
    """Texts with a secret of its own in every place, so that a leak tells where it was."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.where: dict[str, str] = {}

    def text(self, place: str, form: str) -> str:
        while "%" in form:
            secret = SECRET.format(number=next(self._numbers))
            self.where[secret] = f"{place}: {form}"
            form = form.replace("%", secret, 1)
        return form

    def lines(self, place: str) -> str:
        return "".join(f"{self.text(place, form)}\n" for form in FORMS)


def planted_files(planted: Planted, sources: tuple[Source, ...]) -> Iterator[tuple[str, str]]:
    for source in sources:
        if isinstance(source, File) and not source.binary:
            path = small_root.concrete(source.path)
            yield path, planted.lines(path)
    for path, form in REAL.items():
        yield path, planted.text(path, form)


def planted_commands(planted: Planted, sources: tuple[Source, ...]) -> Iterator[tuple[str, str]]:
    """What commands print: names where others are asked about each of them, XML or else lines."""
    commands = [source for source in sources if isinstance(source, Command)]
    lists = {source.each_line_of for source in commands}
    for source in commands:
        if source.line not in lists:
            xml = "dumpxml" in source.line
            yield source.line, planted.text(source.line, DOMAIN) if xml else planted.lines(source.line)
    yield from ((line, "guest-1\n") for line in lists if line is not None)


@pytest.fixture(params=["host", "guest"])
def sources(request) -> tuple[Source, ...]:
    return HOST_SOURCES if request.param == "host" else GUEST_SOURCES


@pytest.fixture
def planted(sources, tmp_path: Path) -> Planted:
    found = Planted()
    commands = {line: text for line, text in planted_commands(found, sources) if line.split()[0] not in OPEN}
    small_root.make(tmp_path, dict(planted_files(found, sources)), commands)
    return found


def leaks(raw: bytes, planted: Planted) -> list[str]:
    return sorted({planted.where.get(found.decode(), "a key") for found in FOUND.findall(raw)})


def test_no_planted_secret_is_in_the_answer(sources, planted, tmp_path):
    raw = small_root.answer(tmp_path, script(sources, B, sudo=False))
    assert leaks(raw, planted) == []
    assert b"intel_iommu=on" in raw and f"\n{B} bye 0\n".encode() in raw  # it did read


def test_a_source_that_keeps_all_would_be_found_out(planted, tmp_path, monkeypatch):
    """The test can fail: without the mask, a file of which every line leaves shows each of its secrets."""
    (tmp_path / "none.sed").touch()
    monkeypatch.setattr("checks.gather._MASK", tmp_path / "none.sed")
    raw = small_root.answer(tmp_path, script((File("/proc/cmdline"), File("/etc/shadow")), B, sudo=False))
    assert len(leaks(raw, planted)) >= 2


def test_the_mask_leaves_the_rest_of_a_line_alone(tmp_path):
    kept = {
        "/etc/udev/rules.d/50-token.rules": 'ACTION=="add", ATTR{device/sriov_numvfs}="2"\n',
        "/etc/secret/my password.yaml": "virtual-function-count: 4\n",
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="intel_iommu=on iommu.passthrough=1 iommu=pt" # no password needed\n',
        "/proc/cmdline": "root=UUID=11111111-2222-3333-4444-555555555555 systemd.unit=x.target a=b:c@d keyboard=de\n",
        "/etc/os-release": "no newline at its end",
    }
    changed = {
        "/etc/x/a": ("api_token=HIDDEN sriov_numvfs=4 x\n", "api_token=hunter2 sriov_numvfs=4 x\n"),
        "/etc/x/b": ('KEY="a" PASSWORD="HIDDEN" B="c"\n', 'KEY="a" PASSWORD="x y" B="c"\n'),
    }
    small_root.make(tmp_path, kept | {path: text for path, (_, text) in changed.items()}, {})
    sources = tuple(File(path) for path in (*kept, *changed))
    raw = small_root.answer(tmp_path, script(sources, B, sudo=False))
    found = Bundle(Envelope("h", datetime.now(UTC), B, sources), raw)
    for path, text in kept.items():
        assert found.text(path) == text + ("" if text.endswith("\n") else "\n")
    for path, (text, _) in changed.items():
        assert found.text(path) == text


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_busybox_masks_alike():
    text = "".join(Planted().text("", form) + "\n" for form in FORMS).encode()
    command = ["sed", "-E", _MASK.read_text()]
    ours, its = (
        subprocess.run([*sed, *command], input=text, capture_output=True, check=True).stdout
        for sed in ([], ["busybox"])
    )
    assert ours == its and b"hunter2" not in its


def test_without_sed_nothing_of_a_file_leaves(tmp_path):
    small_root.make(tmp_path, {"/etc/a": "password=hunter2x1\n"}, {})
    (tmp_path / "bin/sed").unlink()
    raw = small_root.answer(tmp_path, script((File("/etc/a"), Command("cat /etc/a")), B, sudo=False))
    assert b"hunter2" not in raw
    found = Bundle(Envelope("h", datetime.now(UTC), B, (File("/etc/a"), Command("cat /etc/a"))), raw)
    with pytest.raises(ReadFailed, match="sed"):
        found.text("/etc/a")
