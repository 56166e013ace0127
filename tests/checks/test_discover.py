"""An inventory from what is there. Bundles: kvm-1 and guest-1 of our lab, captured by the gather itself (rule files
that name no network device left out).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.discover import __main__ as command
from checks.discover.document import inventory_text
from checks.discover.machine import Asked, Machine, Way, machine_name
from checks.discover.yaml_text import Entry, Off, Remark, render, scalar
from inventory.loading import load

CAPTURED = Path(__file__).parent / "captured"
RULE = "/etc/udev/rules.d/70-sriov-vfs.rules"


def captured(name: str, *, denied: tuple[str, ...] = (), **changes: dict[str, str | None]) -> Bundle:
    """A machine of the lab. `changes`: files, links or commands that are other than they were; None for gone."""
    parts = json.loads((CAPTURED / f"lab-{name}.json").read_text())
    for table, changed in changes.items():
        parts[table] = {key: value for key, value in {**parts[table], **changed}.items() if value is not None}
    return Bundle.of(name, **parts, denied=denied)


def text_of(path: str) -> str:
    """A file of kvm-1 as it was."""
    files: dict[str, str] = json.loads((CAPTURED / "lab-kvm-1.json").read_text())["files"]
    return files[path]


def host(**changes) -> Machine:
    return Machine(Asked("ssh://root@kvm-1"), captured("kvm-1", **changes))


def guest(asked: Asked | None = None, **changes) -> Machine:
    return Machine(asked or Asked("ssh://root@guest-1"), captured("guest-1", **changes))


def loaded(text: str, tmp_path: Path):
    file = tmp_path / "found.yaml"
    file.write_text(text)
    return load(file)


def uncommented(text: str) -> str:
    """The text with its last commented block in use."""
    head, _, block = text.partition("# guests:")
    return head + "guests:" + block.replace("\n# ", "\n")


def test_a_host_and_its_guest_are_found_and_tied_together(tmp_path: Path) -> None:
    # The guest was named first, and nothing says which is which.
    found = loaded(inventory_text([guest(), host()], Way()), tmp_path)
    assert list(found.hosts) == ["kvm-1"]
    pfs = found.hosts["kvm-1"].pfs
    assert {name: (pf.address, pf.driver, pf.vfs, pf.persistence) for name, pf in pfs.items()} == {
        "enp1s0": ("0000:01:00.0", "igb", 2, "udev"),
        "enp2s0": ("0000:02:00.0", "igb", 2, "udev"),
    }
    assert pfs["enp1s0"].vf[0].mac == "52:54:00:77:00:10"
    assert pfs["enp1s0"].vf[0].driver == "vfio-pci"
    assert found.hosts["kvm-1"].kernel_parameters == ("intel_iommu=on",)
    one = found.guests["guest-1"]
    assert (one.host, one.domain) == ("kvm-1", "guest-1")
    assert {name: (nic.pf, nic.vf) for name, nic in one.nics.items()} == {
        "enp1s0": ("enp1s0", 0),
        "enp2s0": ("enp2s0", 0),
        "enp3s0": (None, None),
    }
    bond = one.bonds["bond0"]
    assert (bond.mode, set(bond.slaves), bond.fail_over_mac, bond.miimon) == (
        "active-backup",
        {"enp1s0", "enp2s0"},
        "active",
        100,
    )
    assert [str(address) for address in bond.addresses] == ["10.77.0.21/24", "fd77::21/64"]
    assert list(bond.vlans) == [77]


def test_nothing_may_be_drilled_until_somebody_says_so(tmp_path: Path) -> None:
    assert not loaded(inventory_text([guest()], Way()), tmp_path).guests["guest-1"].drill.permitted


def test_the_text_is_the_same_each_time() -> None:
    assert inventory_text([host(), guest()], Way()) == inventory_text([host(), guest()], Way())


def test_a_guest_that_only_libvirt_knows_is_ready_to_be_used(tmp_path: Path) -> None:
    text = inventory_text([host()], Way())
    assert loaded(text, tmp_path).guests == {}
    one = loaded(uncommented(text), tmp_path).guests["guest-1"]
    assert one.nics["enp1s0"].pf == "enp1s0"
    assert one.host == "kvm-1"


def test_a_guest_beside_another_that_was_looked_at_is_commented_out() -> None:
    second = text_of("/etc/libvirt/qemu/guest-1.xml").replace("guest-1", "guest-2").replace(":77:00:", ":78:00:")
    text = inventory_text([host(files={"/etc/libvirt/qemu/guest-2.xml": second}), guest()], Way())
    assert "\n  # guest-2:\n" in text
    assert "\n  guest-1:" in text


def test_vfs_that_nothing_makes_again_are_still_wanted(tmp_path: Path) -> None:
    text = inventory_text([host(files={RULE: None})], Way())
    pf = loaded(text, tmp_path).hosts["kvm-1"].pfs["enp1s0"]
    assert (pf.vfs, pf.persistence) == (2, "any")
    assert "BROKEN AT THE NEXT BOOT: nothing was found that makes 2 VFs then" in text


def test_a_rule_that_makes_another_number_is_no_policy(tmp_path: Path) -> None:
    rule = text_of(RULE).replace('sriov_numvfs}="2"', 'sriov_numvfs}="4"')
    text = inventory_text([host(files={RULE: rule})], Way())
    assert loaded(text, tmp_path).hosts["kvm-1"].pfs["enp1s0"].vfs == 2
    assert text.count("BROKEN AT THE NEXT BOOT") == 2


def test_an_iommu_that_is_off_is_still_demanded(tmp_path: Path) -> None:
    links = {
        path: None for path in json.loads((CAPTURED / "lab-kvm-1.json").read_text())["links"] if "iommu_groups" in path
    }
    text = inventory_text([host(links=links)], Way())
    assert loaded(text, tmp_path).hosts["kvm-1"].iommu == "required"
    assert "BROKEN NOW: not at work" in text


def test_a_parameter_that_only_runs_is_asked_about(tmp_path: Path) -> None:
    grub = text_of("/boot/grub/grub.cfg").replace("intel_iommu=on", "")
    text = inventory_text([host(files={"/boot/grub/grub.cfg": grub})], Way())
    assert loaded(text, tmp_path).hosts["kvm-1"].kernel_parameters == ()
    assert "# intel_iommu=on runs, but the boot entry" in text


def test_of_a_guest_that_is_off_nothing_is_stated_of_its_vfs(tmp_path: Path) -> None:
    off = {"/run/libvirt/qemu/guest-1.xml": None}
    text = inventory_text([host(files=off)], Way())
    assert loaded(text, tmp_path).hosts["kvm-1"].pfs["enp1s0"].vf.keys() == {1}
    assert "VF 0: for domain guest-1, which is shut off" in text


def test_leased_addresses_are_left_out_and_said(tmp_path: Path) -> None:
    links = json.loads(captured("guest-1").output("ip -j addr show") or "")
    for link in links:
        for info in link["addr_info"]:
            if info["local"] == "10.77.0.21":
                info["dynamic"] = True
    text = inventory_text([guest(commands={"ip -j addr show": json.dumps(links)})], Way())
    bond = loaded(text, tmp_path).guests["guest-1"].bonds["bond0"]
    assert [str(address) for address in bond.addresses] == ["fd77::21/64"]
    assert "left out, because they are leased or made up: 10.77.0.21/24" in text


def test_what_could_not_be_read_is_said_and_the_rest_written(tmp_path: Path) -> None:
    virsh = "virsh -c qemu:///system"
    shut = ("/etc/libvirt/qemu", "/run/libvirt/qemu")
    machine = host(
        names=dict.fromkeys(shut),
        files={f"{folder}/guest-1.xml": None for folder in shut},
        commands={
            f"{virsh} {line}": None for line in ("list --all --name", "dumpxml guest-1", "dumpxml --inactive guest-1")
        },
        denied=("/etc/libvirt", "/run/libvirt", f"{virsh} list --all --name"),
    )
    text = inventory_text([machine], Way())
    assert list(loaded(text, tmp_path).hosts["kvm-1"].pfs) == ["enp1s0", "enp2s0"]
    assert "# NOT KNOWN: not allowed to read" in text
    assert len(machine.unknown) == 1


def test_a_guest_of_nobody_is_not_given_a_host(tmp_path: Path) -> None:
    files = {
        f"/{place}/libvirt/qemu/guest-1.xml": text_of(f"/{place}/libvirt/qemu/guest-1.xml").replace(
            "52:54:00:77:00", "52:54:00:99:00"
        )
        for place in ("etc", "run")
    }
    text = inventory_text([host(files=files), guest()], Way())
    assert loaded(text, tmp_path).guests["guest-1"].host is None
    assert "no host that was looked at has its MACs" in text


def test_a_guest_named_by_its_domain_is_tied_by_that(tmp_path: Path) -> None:
    other = guest(Asked("ssh://root@somewhere", domain="guest-1"), files={"/proc/sys/kernel/hostname": "other\n"})
    found = loaded(inventory_text([host(), other], Way()), tmp_path)
    assert found.guests["guest-1"].domain == "guest-1"


def test_two_machines_of_one_name_get_two(tmp_path: Path) -> None:
    found = loaded(inventory_text([host(), host()], Way()), tmp_path)
    assert list(found.hosts) == ["kvm-1", "kvm-1-2"]


def test_ssh_configuration_and_sudo_are_written_down(tmp_path: Path) -> None:
    found = loaded(inventory_text([host()], Way("/etc/ssh/our config", sudo=True)), tmp_path).hosts["kvm-1"]
    assert (found.ssh_config, found.sudo) == ("/etc/ssh/our config", True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("igb", "igb"),
        ("no", '"no"'),
        ("0000:01:00.0", '"0000:01:00.0"'),
        ("a: b # c", '"a: b # c"'),
        ('a"\\\n', '"a\\"\\\\\\U0000000a"'),
        ("ssh://root@[fe80::1]:22", '"ssh://root@[fe80::1]:22"'),
        ("ssh://root@kvm-1:2222", "ssh://root@kvm-1:2222"),
        (True, "true"),
        (7, "7"),
    ],
)
def test_no_value_is_taken_for_another(value, text: str) -> None:
    assert scalar(value) == text


def test_text_of_a_machine_cannot_leave_its_comment() -> None:
    told = render([Entry("a", 1, comment="x\nhosts: {}"), Remark("y\nz: 1"), Off((Entry("b", "c\nd"),))])
    assert len(told.splitlines()) == 3


@pytest.mark.parametrize(("text", "name"), [("kvm 1", "kvm-1"), ("../../x", "x"), ("-a", "a"), ("", "machine")])
def test_a_machines_name_fits_the_inventory(text: str, name: str) -> None:
    assert machine_name(text) == name


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ([], 4, "discover needs a machine to look at"),
        (["kvm-1"], 4, "'kvm-1': not a connection string; write ssh://kvm-1"),
        (["ssh://"], 4, "'ssh://': no host in it"),
        (["--guest", "ssh://guest"], 4, "--guest 'ssh://guest': write NAME="),
        (["ssh://kvm-1", "--ssh-config", "/no/such"], 4, "--ssh-config: there is no file /no/such"),
        (["ssh://kvm-1", "--frobnicate"], 4, "unrecognized arguments: --frobnicate"),
        (["ssh://127.0.0.1:1"], 6, "ssh://127.0.0.1:1:"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(words: list[str], status: int, sentence: str, capsys) -> None:
    try:
        ended = command.main(words)
    except SystemExit as end:
        ended = int(str(end.code))
    told = capsys.readouterr()
    assert (ended, told.out) == (status, "")
    assert told.err.startswith(f"vfproof: {sentence}")
    assert told.err.count("\n") == 1


def test_this_very_machine_makes_an_inventory_that_loads(tmp_path: Path, capsys) -> None:
    command.main(["local://"])
    found = loaded(capsys.readouterr().out, tmp_path)
    assert len(found.hosts) + len(found.guests) == 1
