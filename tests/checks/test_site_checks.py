"""A site's own checks, in plain Testinfra: live against this machine, against nobody, and on a bundle of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.facts.catalogue import HOST_SOURCES
from checks.gather import Order, gather
from checks.outcome import CouldNotLook
from checks.refusals import Denied, NotGathered, ReadFailed
from checks.site.bundle_host import host_in
from checks.transport import connect
from inventory.model import Host

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

INVENTORY = """
hosts:
  kvm-1: {connect: "local://kvm-1"}
  kvm-2: {connect: "local://kvm-2"}
guests:
  guest-1: {connect: "local://guest-1", host: kvm-1}
"""

PLAIN = '''
def test_passwd_is_there(host):
    """The file of users is there.

    Why: nobody could log in.
    """
    assert host.file("/proc/sys/kernel/hostname").exists
    assert host.check_output("cat /proc/sys/kernel/hostname")

def test_wrong(host):
    assert host.file("/proc/sys/kernel/hostname").content_string == "no such name", "another name"
'''


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch):
    """A site's folder, checked as `./vfproof check ./site` does it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider -W error\n")

    def run(body: str, *options: str, inventory: str = INVENTORY):
        pytester.makefile(".yaml", inventory=inventory)
        pytester.makepyfile(test_site=body)
        plugins = ["-p", "checks.plugin", "-p", "reports.plugin"]
        given = ["--inventory", "inventory.yaml", "--run-folder", "run"]
        result = pytester.runpytest_inprocess(*plugins, *given, *options)
        rows = json.loads((pytester.path / "run" / "results.json").read_text())["rows"]
        return result, {row["id"].partition("::")[2]: row for row in rows}

    return run


def test_each_machine_of_the_inventory_is_a_row(run) -> None:
    result, rows = run(PLAIN)
    assert result.ret == 1
    machines = ("kvm-1", "kvm-2", "guest-1")
    assert [rows[f"test_passwd_is_there[{name}]"]["outcome"] for name in machines] == ["holds"] * 3
    assert [rows[f"test_wrong[{name}]"]["outcome"] for name in machines] == ["broken"] * 3
    first = rows["test_passwd_is_there[guest-1]"]
    assert (first["machine"], first["role"], first["why"]) == ("guest-1", "guest", "nobody could log in.")


def test_only_selected_machines_are_asked(run) -> None:
    _, rows = run(PLAIN, "--only", "kvm-2")
    assert {row["machine"] for row in rows.values()} == {"kvm-2"}


def test_a_file_may_name_its_machines_as_testinfra_does(run) -> None:
    _, rows = run('testinfra_hosts = ["guest-1"]\n' + PLAIN)
    assert {row["machine"] for row in rows.values()} == {"guest-1"}


def test_a_check_that_asks_for_a_host_s_name_gets_that_host(run) -> None:
    body = """
    def test_facts_and_plain(host, host_name, wanted_host, pfs):
        assert wanted_host.connect == f"local://{host_name}"
        assert host.backend.get_hostname() == host_name
        assert isinstance(pfs, tuple)
    """
    result, rows = run(body)
    result.assert_outcomes(passed=2)
    assert set(rows) == {"test_facts_and_plain[kvm-1]", "test_facts_and_plain[kvm-2]"}


def test_a_site_s_own_fixture_named_host_is_left_alone(run) -> None:
    result, _ = run("import pytest\n@pytest.fixture\ndef host(): return 7\ndef test_it(host): assert host == 7\n")
    result.assert_outcomes(passed=1)


def test_a_machine_that_does_not_answer_could_not_be_looked_at(run) -> None:
    nobody = "hosts:\n  kvm-1: {connect: 'ssh://127.0.0.1:1'}\n"
    result, rows = run(PLAIN, inventory=nobody)
    assert result.ret == 6
    assert {row["outcome"] for row in rows.values()} == {"could not look"}
    assert rows["test_wrong[kvm-1]"]["message"].startswith("kvm-1: ")


def test_a_machine_that_is_lost_in_the_middle_could_not_be_looked_at(run) -> None:
    body = """
    from checks.transport import Unreachable

    def test_it(host, monkeypatch):
        def lost(*_):
            raise Unreachable("kvm-1: the connection was lost")
        monkeypatch.setattr(host.backend._connection, "execute", lost)
        assert host.file("/etc/passwd").exists
    """
    result, rows = run(body, "--only", "kvm-1")
    assert (result.ret, rows["test_it[kvm-1]"]["outcome"]) == (6, "could not look")


def test_a_site_check_can_be_waived(run) -> None:
    waiver = "waivers:\n  - {statement: test_wrong, on: kvm-1, reason: known, by: J. Doe, until: 2999-01-01}\n"
    result, rows = run(PLAIN, "--only", "kvm-1", inventory=INVENTORY + waiver)
    assert (result.ret, rows["test_wrong[kvm-1]"]["outcome"]) == (0, "waived")


def test_a_site_check_runs_on_a_bundle(run, pytester) -> None:
    folder = pytester.path / "bundles"
    folder.mkdir()
    gather(Order("kvm-1", Host(connect="local://kvm-1"), HOST_SOURCES)).save(folder / "kvm-1.vfb.gz")
    body = PLAIN + '\ndef test_service(host):\n    assert host.service("sshd").is_running\n'
    result, rows = run(body, "--bundles", "bundles", "--only", "kvm-1", "--only", "kvm-2")
    assert result.ret == 1
    outcomes = {name: row["outcome"] for name, row in rows.items()}
    assert outcomes["test_passwd_is_there[kvm-1]"] == "holds"
    assert outcomes["test_wrong[kvm-1]"] == "broken"
    assert outcomes["test_service[kvm-1]"] == "could not look"
    assert (
        "kvm-1: its bundle does not tell whether /run/systemd/system/ is there"
        in (rows["test_service[kvm-1]"]["message"])
    )
    assert outcomes["test_wrong[kvm-2]"] == "could not look"


def test_what_may_not_be_read_is_unknown_and_not_wrong(tmp_path: Path, monkeypatch) -> None:
    with connect("local://here") as connection:
        answer = connection.execute
        denied = "cat: /etc/shadow: Permission denied\n"

        def refuse(command: str, *rest):
            assert command == "cat -- /etc/shadow"
            return answer(f"printf '{denied}' >&2; exit 1", *rest)

        host = connection.host
        assert host.system_info.type == "linux"
        monkeypatch.setattr(connection, "execute", refuse)
        with pytest.raises(Denied, match="not allowed to run 'cat -- /etc/shadow'"):
            _ = host.file("/etc/shadow").content


def test_the_door_takes_any_folder(tmp_path: Path) -> None:
    site = tmp_path / "site-checks"
    site.mkdir()
    (site / "test_users.py").write_text(PLAIN)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    argv = [str(ROOT / "vfproof"), "check", "./site-checks", "kvm-1", "--run-folder", "run"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    assert done.returncode == 1, done.stdout + done.stderr
    assert [(row["machine"], row["outcome"]) for row in rows] == [
        ("kvm-1", "holds"),
        ("kvm-1", "broken"),
    ]


BUNDLE = Bundle.of(
    "kvm-1",
    files={
        "/etc/os-release": 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="intel_iommu=on"\n',
        "/proc/cpuinfo": "vendor_id\t: GenuineIntel\n",
        "/proc/sys/kernel/osrelease": "6.12.0\n",
        "/proc/sys/net/ipv4/conf/bond0/arp_notify": "1\n",
        "/sys/class/net/ens1/mtu": "9000\n",
    },
    links={
        "/sys/class/net/ens1": "../../devices/pci0000:00/0000:00:02.0/net/ens1",
        "/sys/class/net/ens1/master": "../bond0",
    },
    names={"/etc/libvirt/qemu": ("autostart", ".hidden", "guest-1.xml")},
    commands={"ip -j addr show": "[]\n", "virsh list": (1, "no connection")},
    denied=("/root",),
)


def test_files_answer_as_the_machine_would() -> None:
    host = host_in(BUNDLE)
    grub = host.file("/etc/default/grub")
    assert grub.exists
    assert grub.is_file
    assert not grub.is_directory
    assert grub.content_string == 'GRUB_CMDLINE_LINUX="intel_iommu=on"\n'
    assert grub.contains("intel_iommu=o[a-z]$*")
    assert not grub.contains("amd_iommu")
    assert not host.file("/etc/no-such-file").exists
    assert host.file("/etc/libvirt/qemu").is_directory
    assert host.file("/etc/libvirt/qemu").listdir() == ["autostart", "guest-1.xml"]
    assert host.file("/sys/class/net/ens1").is_symlink
    assert host.file("/sys/class/net/ens1").linked_to == "/sys/devices/pci0000:00/0000:00:02.0/net/ens1"
    assert (host.system_info.distribution, host.system_info.release, host.system_info.arch) == (
        "debian",
        "13",
        "x86_64",
    )
    assert host.sysctl("net.ipv4.conf.bond0.arp_notify") == 1
    assert host.check_output("uname -r") == "6.12.0"


def test_commands_answer_as_they_did() -> None:
    host = host_in(BUNDLE)
    assert host.check_output("ip -j  addr show") == "[]"
    assert host.run("virsh list").rc == 1
    with host.sudo():
        assert host.check_output("ip -j addr show") == "[]"


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda host: host.run("systemctl is-active sshd"), NotGathered),
        (lambda host: host.run("ip -j addr show | grep x"), NotGathered),
        (lambda host: host.run("cat '/unbalanced"), NotGathered),
        (lambda host: host.run(""), NotGathered),
        (lambda host: host.file("/root/secret").exists, Denied),
        (lambda host: host.file("/etc/default/grub").mode, NotGathered),
        (lambda host: host.file("/lib").linked_to, NotGathered),
        (lambda host: host.package("bash").is_installed, CouldNotLook),
        (lambda host: host.service("sshd").is_running, CouldNotLook),
    ],
)
def test_what_the_bundle_does_not_hold_is_not_known(ask, kind) -> None:
    with pytest.raises(kind, match="kvm-1"):
        ask(host_in(BUNDLE))


def test_a_gathered_bundle_knows_what_it_looked_for(tmp_path: Path) -> None:
    bundle = gather(Order("here", Host(connect="local://here"), HOST_SOURCES))
    host = host_in(bundle)
    assert not host.file("/etc/udev/rules.d/no-such.rules").exists
    with pytest.raises(NotGathered, match="does not tell whether /etc/passwd is there"):
        _ = host.file("/etc/passwd").exists
    with pytest.raises(ReadFailed, match="only some lines of /etc/NetworkManager/system-connections/a"):
        _ = host.file("/etc/NetworkManager/system-connections/a").content


def test_links_in_a_circle_end() -> None:
    bundle = Bundle.of("kvm-1", links={"/sys/a": "b", "/sys/b": "a"})
    with pytest.raises(ReadFailed, match="too many links"):
        host_in(bundle).check_output("readlink -f /sys/a")
