"""Bundles without names and addresses: nothing of them is left, kinship is kept, and they are judged alike."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.bundle import Bundle
from checks.facts import libvirt
from checks.offline.__main__ import main
from checks.offline.disguise import Disguise
from checks.offline.pseudonyms import Pseudonyms
from inventory.loading import load

KEY = b"k" * 32
ROOT = Path(__file__).parents[2]
CAPTURED = Path(__file__).parent / "captured"
MACS = st.tuples(*[st.integers(0, 255)] * 6)


@settings(max_examples=200, deadline=None)
@given(one=MACS, other=MACS)
def test_macs_stay_different_and_keep_their_vendor(one, other):
    mapped = Pseudonyms(KEY)
    assert mapped.mac(one)[:3] == one[:3]
    assert (mapped.mac(one) == mapped.mac(other)) == (one == other)


@settings(max_examples=200, deadline=None)
@given(one=st.integers(0, 2**32 - 1), other=st.integers(0, 2**32 - 1), bits=st.integers(0, 32))
def test_ipv4_addresses_share_the_prefixes_that_they_shared(one, other, bits):
    mapped = Pseudonyms(KEY)
    other = (one >> bits << bits | other & ((1 << bits) - 1)) if bits else one
    if ipaddress.IPv4Address(one).is_private == ipaddress.IPv4Address(other).is_private:
        before, after = one ^ other, mapped.ipv4(one) ^ mapped.ipv4(other)
        assert after.bit_length() == before.bit_length()
    assert mapped.ipv4(one) & 255 == one & 255


@settings(max_examples=200, deadline=None)
@given(network=st.integers(1, 2**64 - 1), one=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_ipv6_addresses_of_one_network_stay_in_one(network, one, other):
    mapped = Pseudonyms(KEY)
    first, second = (mapped.ipv6(network << 64 | half) for half in (one, other))
    assert first >> 64 == second >> 64
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    "kept",
    [
     "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "127.0.0.1", "0.0.0.0", "255.255.255.0", "224.0.0.1", "::1",
     "ff02::1", "0000:01:00.0", "12:34:56", "6.12.43+deb13-amd64", "5.14.0-427.13.1.el9_4.x86_64", "v1.2.3.4",
     "0x00000000feda0000",
     "linux /vmlinuz root=/dev/sda1 intel_iommu=on", "menuentry 'Debian' --class debian"],
)  # fmt: skip
def test_what_tells_nobody_stays(kept):
    assert Disguise().put_on(f"x {kept} y") == f"x {kept} y"


def test_one_thing_is_one_thing_in_every_form():
    mac = "52:54:00:77:00:10"
    disguise = Disguise(Pseudonyms(KEY))
    disguise.learn(f"/sys/class/net/enp1s0/address:{mac}\n", ["kvm-1"])
    new = disguise.put_on(mac)
    assert new != mac and new.startswith("52:54:00:")
    octets = bytes.fromhex(new.replace(":", ""))
    eui = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    shown = {
        mac.replace(":", "-"): new.replace(":", "-"),
        f"/sys/class/net/a/address:{mac}\n": f"/sys/class/net/a/address:{new}\n",
        "enx525400770010": "enx" + new.replace(":", ""),
        f'{{"address":"{mac}"}}': f'{{"address":"{new}"}}',
        "fe80::5054:ff:fe77:10/64": f"{ipaddress.IPv6Address((0xFE80 << 112) + int.from_bytes(eui, 'big'))}/64",
    }
    for before, after in shown.items():
        assert disguise.put_on(before) == after
    assert (
        disguise.put_on_bytes(" 52 54 00 77\n 00 10 52")
        == " " + new[:11].replace(":", " ") + "\n " + new[12:].replace(":", " ") + " 52"
    )
    assert "kvm-1" not in disguise.put_on("kvm-1 kvm-1.example.net root@kvm-1:/ (kvm-1)")
    assert disguise.put_on("kvm-10") == "kvm-10"


def test_ids_and_keys():
    uuid, machine = "d5c54eba-8bb8-4c6f-a3e1-d4f13ad5b0fb", "0123456789abcdef" * 2
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0hunter2hunter2hunter2hunter2 root@kvm-1"
    told = Disguise(Pseudonyms(KEY)).put_on(f"{uuid} {machine} {key}")
    assert uuid not in told and machine not in told and "hunter2" not in told
    assert re.match(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12} [0-9a-f]{32} ssh-ed25519 AAAA", told
    )


INVENTORY = """
# the secret plan
hosts:
  kvm-berlin:
    connect: ssh://alice@kvm-berlin.example.net:22
    pfs:
      enp1s0: {vfs: 2, vf: {0: {mac: "52:54:00:77:00:10"}}}
guests:
  web-01:
    connect: ssh://root@10.77.0.21
    host: kvm-berlin
    nics: {enp1s0: {mac: "52:54:00:77:00:10", pf: enp1s0, vf: 0}}
    bonds: {bond0: {slaves: [enp1s0], addresses: [10.77.0.21/24, "fd77::21/64"]}}
waivers:
  - {statement: test_every_pf_is_up, on: kvm-berlin, reason: Bob broke it, by: alice, until: 2099-01-01}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    domain = (CAPTURED / "libvirt-11.3-etc-guest-1.xml").read_text().replace("guest-1", "web-01")
    Bundle.of(
        "kvm-berlin",
        files={
            "/proc/sys/kernel/hostname": "kvm-berlin\n",
            "/etc/libvirt/qemu/web-01.xml": domain,
            "/etc/x": "for carol: /home/carol/x, see https://kvm-berlin.example.net\n",
        },
        names={"/etc/libvirt/qemu": ["web-01.xml"], "/run/libvirt/qemu": []},
        links={"/sys/class/net/enp1s0": "../../devices/pci0000:00/0000:01:00.0/net/enp1s0"},
    ).save(tmp_path / "kvm-berlin.vfb.gz")
    return tmp_path


def test_nothing_is_left_and_the_facts_are_alike(site, capsys):
    assert main(["anonymise", "kvm-berlin.vfb.gz", "-i", "inventory.yaml", "-o", "out"]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    bundle, inventory = Bundle.load(files[0]), load(files[1])
    assert files[0].name == f"{bundle.machine}.vfb.gz" and list(inventory.hosts) == [bundle.machine]
    said = (site / files[1]).read_text() + str(bundle.texts("/*/*")) + str(bundle._contents)
    for word in (
        "berlin",
        "web-01",
        "carol",
        "alice",
        "Bob",
        "secret plan",
        "52:54:00:77:00:10",
        "10.77.0.21",
        "fd77::",
    ):
        assert word not in said, word
    before = Bundle.load(site / "kvm-berlin.vfb.gz")
    domain, was = libvirt.parse(bundle)[0], libvirt.parse(before)[0]
    guest = inventory.guests[domain.name]
    assert len(domain.current.interfaces) == len(was.current.interfaces)
    assert str(guest.bonds["bond0"].addresses[0]).startswith("10.") and str(guest.bonds["bond0"].addresses[0]).endswith(
        ".21/24"
    )
    assert guest.nics["enp1s0"].mac == inventory.hosts[bundle.machine].pfs["enp1s0"].vf[0].mac
    assert bundle.links("/sys/class/net/*") == before.links("/sys/class/net/*")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["anonymise", "nothing.gz", "-o", "out"], "No such file"),
        (["anonymise", "inventory.yaml", "-o", "out"], "not a bundle"),
        (["anonymise", "kvm-berlin.vfb.gz", "-o", "."], "holds something already"),
        (["anonymise", "kvm-berlin.vfb.gz"], "-o"),
    ],
)
def test_usage_errors_are_a_sentence_and_exit_4(site, capsys, words, said):
    assert main(words) == 4
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("vfproof: ") and err.count("\n") == 1


def judged(folder: Path, run: Path) -> list[tuple[str, str]]:
    """Every row's statement and outcome, machines aside, as the checks themselves say."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "checks", "--run-folder", str(run)]
    chosen = ["--inventory", str(folder / "inventory.yaml"), "--bundles", str(folder)]
    done = subprocess.run([*command, *chosen], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 1, 6), done.stdout + done.stderr
    rows = json.loads((run / "results.json").read_text())["rows"]
    return sorted((row["id"].partition("[")[0], row["outcome"]) for row in rows)


def test_a_real_host_and_its_guest_are_judged_as_before(tmp_path, capsys):
    sample = CAPTURED / "sriov-lab"
    bundles = [str(path) for path in sample.glob("*.vfb.gz")]
    again = tmp_path / "again"
    assert main(["anonymise", *bundles, "-i", str(sample / "inventory.yaml"), "-o", str(again)]) == 0
    assert not {path.name for path in again.glob("*.gz")} & {path.name for path in sample.glob("*.gz")}
    before, after = judged(sample, tmp_path / "before"), judged(again, tmp_path / "after")
    assert before == after
    assert sum(outcome in ("holds", "advice") for _, outcome in before) > 25
    assert not any(outcome == "broken" for _, outcome in before)
