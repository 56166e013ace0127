"""Every mistake in an inventory gives one sentence with file, line and what to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import nodes
from inventory.document import LIMIT_BYTES
from inventory.loading import InventoryError, load, select
from inventory.writing import written

HOST = "hosts:\n  kvm-01:\n    connect: ssh://root@kvm-01\n"


@pytest.fixture
def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What loading this text says."""
    monkeypatch.chdir(tmp_path)

    def say(text: str | bytes) -> str:
        Path("site.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(InventoryError) as caught:
            load("site.yaml")
        return str(caught.value)

    return say


def test_a_good_inventory_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(HOST + "    pfs: {ens1f0: {vfs: 4, address: '3D:00.0'}}\n")
    host = load(path).hosts["kvm-01"]
    assert host.connect == "ssh://root@kvm-01"
    assert (host.pfs["ens1f0"].vfs, host.pfs["ens1f0"].address) == (4, "0000:3d:00.0")


def test_an_ssh_configuration_is_found_beside_the_inventory(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        HOST + "    ssh_config: keys/config\n"
        "guests: {g: {connect: 'local://', ssh_config: /etc/ssh/ssh_config}}\n"
        "observers: {o: {interface: eth0, ssh_config: ~/config}}\n"
    )
    inventory = load(path)
    assert inventory.hosts["kvm-01"].ssh_config == str(tmp_path / "keys/config")
    assert inventory.guests["g"].ssh_config == "/etc/ssh/ssh_config"
    assert inventory.observers["o"].ssh_config == str(Path("~/config").expanduser())


def test_a_switch_hook_is_found_beside_the_inventory_or_on_the_path(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(HOST + "switch_hook: [./hook, --site]\n")
    assert load(path).switch_hook == (str(tmp_path / "hook"), "--site")
    path.write_text(HOST + "switch_hook: [hook]\n")
    assert load(path).switch_hook == ("hook",)


def test_keys_that_other_yaml_takes_for_truth_values_are_names(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("hosts: {on: {connect: 'ssh://on'}, no: {connect: 'ssh://no'}}\n")
    assert list(load(path).hosts) == ["on", "no"]


def test_a_merge_key_brings_in_what_the_mapping_does_not_say_itself(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "hosts:\n  a: &usual {connect: 'ssh://a', sudo: true}\n  b: &other {<<: *usual, connect: 'ssh://b'}\n"
        "  c: {<<: [*other, *usual]}\n"
    )
    hosts = load(path).hosts
    assert [(h.connect, h.sudo) for h in hosts.values()] == [("ssh://a", True), ("ssh://b", True), ("ssh://b", True)]


MISTAKES = {
    "unknown key, one near": (
        HOST + "    pfs:\n      ens1f0:\n        vfs: 4\n        drver: i40e\n",
        "site.yaml:7: hosts.kvm-01.pfs.ens1f0.drver: unknown key; did you mean 'driver'?",
    ),
    "unknown key, a required one missing": (
        HOST + "    pfs:\n      ens1f0:\n        vf2: 4\n",
        "site.yaml:5: hosts.kvm-01.pfs.ens1f0.vfs: missing; write 'vfs:' and its value: wanted number of VFs, now and "
        "after the next boot\n"
        "site.yaml:6: hosts.kvm-01.pfs.ens1f0.vf2: unknown key; did you mean 'vfs'?",
    ),
    "unknown key, none near": (
        "hosts:\n  a: {connect: 'ssh://a'}\nqqq: 1\n",
        "site.yaml:3: qqq: unknown key; there are version, guests, observers, switch_hook, waivers",
    ),
    "an observer twice": (
        "guests: {g: {connect: 'local://', drill: {observer: o, more_observers: [o, p]}}}\n"
        "observers: {o: {interface: eth0}}\n",
        "site.yaml:1: guests.g.drill.more_observers.0: observer 'o' is named twice; once is enough\n"
        "site.yaml:1: guests.g.drill.more_observers.1: there is no observer 'p' in this inventory; there are o",
    ),
    "a waiver for nobody": (
        HOST + "waivers:\n- {statement: test_every_pf_is_up, on: kvm-02, reason: r, by: b, until: 2027-03-31}\n",
        "site.yaml:5: waivers.0.on: there is no host or guest 'kvm-02' in this inventory; did you mean 'kvm-01'?",
    ),
    "a waiver until no day": (
        HOST + "waivers:\n- {statement: test_every_pf_is_up, on: kvm-01, reason: r, by: b, until: March}\n",
        "site.yaml:5: waivers.0.until: not a day; write year-month-day, such as 2027-03-31",
    ),
    "a waiver of nothing, for no reason": (
        HOST + "waivers:\n- {statement: foo, on: kvm-01, reason: '', by: b, until: 2027-03-31}\n",
        "site.yaml:5: waivers.0.statement: not the name of a statement; take it from the report, such as "
        "test_every_pf_is_up\nsite.yaml:5: waivers.0.reason: write one sentence, of 500 characters at most",
    ),
    "a waiver twice": (
        HOST + "waivers:\n" + "- {statement: test_x, on: kvm-01, reason: r, by: b, until: 2027-03-31}\n" * 2,
        "site.yaml:6: waivers.1: test_x of kvm-01 is waived twice; keep one of them",
    ),
    "two kernel parameters in one": (
        HOST + "    kernel_parameters: [intel_iommu=on iommu=pt]\n",
        "site.yaml:4: hosts.kvm-01.kernel_parameters.0: not one kernel parameter; write name or name=value, such as "
        "intel_iommu=on",
    ),
    "missing key": (
        "hosts:\n\n  kvm-01:\n    sudo: true\n",
        "site.yaml:3: hosts.kvm-01.connect: missing; write 'connect:' and its value: connection string as Testinfra's: "
        "ssh://user@host:port, paramiko://, local://",
    ),
    "text for a number": (
        HOST + "    pfs:\n      ens1f0:\n        vfs: four\n",
        "site.yaml:6: hosts.kvm-01.pfs.ens1f0.vfs: must be a whole number, not 'four'",
    ),
    "truth value for a number": (
        HOST + "    pfs: {ens1f0: {vfs: true}}\n",
        "site.yaml:4: hosts.kvm-01.pfs.ens1f0.vfs: must be a number, not true",
    ),
    "negative": (
        HOST + "    pfs: {ens1f0: {vfs: -1}}\n",
        "site.yaml:4: hosts.kvm-01.pfs.ens1f0.vfs: must be at least 0, not -1",
    ),
    "thousands of digits": (
        HOST + f"    pfs: {{ens1f0: {{vfs: {'9' * 5000}}}}}\n",
        f"site.yaml:4: hosts.kvm-01.pfs.ens1f0.vfs: must be a whole number, not '{'9' * 57}...'",
    ),
    "no number at all": (
        "guests: {g: {connect: 'local://', drill: {budgets: {outage_ms: .nan}}}}\n",
        "site.yaml:1: guests.g.drill.budgets.outage_ms: must be a number, not 'nan'",
    ),
    "not a truth value": (
        HOST + "    sudo: maybe\n",
        "site.yaml:4: hosts.kvm-01.sudo: must be true or false, not 'maybe'",
    ),
    "number for text": (
        "hosts:\n  kvm-01:\n    connect: 5\n",
        "site.yaml:3: hosts.kvm-01.connect: must be text, not '5'; write it in quotes: '5'",
    ),
    "number for a name": (
        "hosts:\n  100:\n    connect: ssh://a\n",
        "site.yaml:2: hosts.100: a name must be text; write it in quotes: '100'",
    ),
    "truth value for a name": (
        "hosts:\n  true:\n    connect: ssh://a\n",
        "site.yaml:2: a key must be text or a whole number; write it in quotes: 'true'",
    ),
    "list for a mapping": (
        "hosts:\n  - kvm-01\n",
        "site.yaml:1: hosts: must be a mapping (lines of 'key: value'), not a list",
    ),
    "nothing for a mapping": (
        "hosts:\n  kvm-01:\nguests:\n  g: {connect: 'local://'}\n",
        "site.yaml:2: hosts.kvm-01: is empty; write its keys below it, indented further, or leave the line out",
    ),
    "text for a list": (
        "guests: {g: {connect: 'local://', bonds: {bond0: {slaves: ens1}}}}\n",
        "site.yaml:1: guests.g.bonds.bond0.slaves: must be a list, such as [one, two], not 'ens1'",
    ),
    "no address": (
        "guests:\n  g:\n    connect: local://\n    bonds:\n      bond0:\n        slaves: [a, b]\n"
        "        addresses:\n        - 192.0.2.1/24\n        - 192.0.2.999\n",
        "site.yaml:9: guests.g.bonds.bond0.addresses.1: must be an address with its prefix length, such as "
        "192.0.2.21/24 or 2001:db8::21/64, not '192.0.2.999'",
    ),
    "none of the choices": (
        HOST + "    iommu: requird\n",
        "site.yaml:4: hosts.kvm-01.iommu: must be 'required' or 'any', not 'requird'; did you mean 'required'?",
    ),
    "no MAC address": (
        "guests:\n  g:\n    connect: local://\n    nics:\n      ens1:\n        mac: 52:54:00\n",
        "site.yaml:6: guests.g.nics.ens1.mac: not a MAC address; write six hex pairs, such as 52:54:00:6d:90:02",
    ),
    "interface name too long": (
        "guests:\n  g:\n    connect: local://\n    nics:\n      an-endless-interface: {}\n",
        "site.yaml:5: guests.g.nics.an-endless-interface: not an interface name; the kernel takes 1 to 15 characters "
        "with no space, '/' or ':'",
    ),
    "name that is no file name": (
        "hosts:\n  rack/1:\n    connect: ssh://a\n",
        "site.yaml:2: hosts.rack/1: not a machine's name; use letters, digits, '.', '_' and '-', beginning with a "
        "letter or digit",
    ),
    "name that steers a terminal": (
        'hosts:\n  "a\\e[2J\\n":\n    connect: ssh://a\n',
        "site.yaml:2: hosts.a\\x1b[2J\\n: not a machine's name; use letters, digits, '.', '_' and '-', beginning with "
        "a letter or digit",
    ),
    "no connection string": (
        "hosts:\n  a:\n    connect: root@kvm-01\n",
        "site.yaml:3: hosts.a.connect: not a connection string; write ssh://root@kvm-01",
    ),
    "an option for ssh": (
        "hosts:\n  a:\n    connect: ssh://-oProxyCommand=reboot\n",
        "site.yaml:3: hosts.a.connect: no host in it; write ssh://user@host or ssh://user@host:port",
    ),
    "unknown way of connecting": (
        "hosts:\n  a:\n    connect: telnet://a\n",
        "site.yaml:3: hosts.a.connect: there is no way of connecting named 'telnet'; there are ssh, paramiko, local, "
        "docker, podman, kubectl, openshift, ansible, lxc, salt, chroot",
    ),
    "a host through a guest agent": (
        "hosts:\n  a:\n    connect: qga://\n",
        "site.yaml:3: hosts.a.connect: only a guest is reached through its host, by qga://; write ssh://root@host",
    ),
    "a guest agent with a name in its way": (
        HOST + "guests:\n  g:\n    connect: qga://kvm-01/g\n    host: kvm-01\n",
        "site.yaml:6: guests.g.connect: write qga:// alone; the guest's 'host' and 'domain' say the rest",
    ),
    "a guest agent through no host": (
        HOST + "guests:\n  g:\n    connect: qga://\n    ssh_config: c\n    domain: '7'\n",
        "site.yaml:6: guests.g.connect: needs the guest's 'host', through whose libvirt the guest agent is reached\n"
        "site.yaml:7: guests.g.ssh_config: means nothing with qga://; the host's own is used\n"
        "site.yaml:8: guests.g.domain: virsh takes digits alone for the number of a running domain; qga:// needs "
        "another name",
    ),
    "no port": (
        "hosts:\n  a:\n    connect: ssh://a:99999\n",
        "site.yaml:3: hosts.a.connect: the port must be a number from 1 to 65535, such as ssh://root@kvm-01:22",
    ),
    "unknown host of a guest": (
        HOST + "guests:\n  g:\n    connect: local://\n    host: kvm-02\n",
        "site.yaml:7: guests.g.host: there is no host 'kvm-02' in this inventory; did you mean 'kvm-01'?",
    ),
    "unknown observer": (
        "guests:\n  g:\n    connect: local://\n    drill:\n      permitted: true\n      observer: o\n",
        "site.yaml:6: guests.g.drill.observer: there is no observer 'o' in this inventory",
    ),
    "unknown PF": (
        HOST + "    pfs: {p0: {vfs: 1}}\nguests:\n  g:\n    connect: local://\n    host: kvm-01\n"
        "    nics:\n      ens1: {pf: p1}\n      ens2: {pf: p0, vf: 1}\n",
        "site.yaml:10: guests.g.nics.ens1.pf: host kvm-01 has no PF 'p1' in this inventory; it has p0\n"
        "site.yaml:11: guests.g.nics.ens2.vf: there is no VF 1: PF p0 of kvm-01 has 1, counted from 0",
    ),
    "PF of no host": (
        "guests: {g: {connect: 'local://', nics: {ens1: {pf: p0}}}}\n",
        "site.yaml:1: guests.g.nics.ens1.pf: needs the guest's 'host', to say whose PF this is",
    ),
    "VF beyond the last": (
        HOST + "    pfs:\n      p0:\n        vfs: 2\n        vf:\n          2: {trust: true}\n",
        "site.yaml:8: hosts.kvm-01.pfs.p0.vf.2: there is no VF 2: 'vfs' wants 2, counted from 0",
    ),
    "unknown bond": (
        "guests:\n  g:\n    connect: local://\n    bonds: {bond0: {slaves: [a]}}\n    drill: {bond: bond1}\n",
        "site.yaml:5: guests.g.drill.bond: the guest has no bond 'bond1'; it has bond0",
    ),
    "wrong slaves": (
        "guests:\n  g:\n    connect: local://\n    bonds:\n      b1: {slaves: []}\n      b2: {slaves: [a, a]}\n"
        "      b3: {slaves: [a], primary: c}\n",
        "site.yaml:5: guests.g.bonds.b1.slaves: names no slave; write the NICs of the bond, such as [ens1, ens2]\n"
        "site.yaml:6: guests.g.bonds.b2.slaves: names a slave twice\n"
        "site.yaml:7: guests.g.bonds.b3.primary: 'c' is not among the slaves a",
    ),
    "an observer in two places": (
        HOST + "observers:\n  o:\n    interface: eth0\n    namespace: x\n    connect: ssh://o\n",
        "site.yaml:7: observers.o.namespace: is for this machine; an observer with 'connect' has none",
    ),
    "a user namespace of nothing": (
        HOST + "observers:\n  o:\n    interface: eth0\n    user_namespace: x\n",
        "site.yaml:7: observers.o.user_namespace: needs 'namespace' beside it",
    ),
    "one name, two machines": (
        HOST + "guests:\n  kvm-01:\n    connect: local://\n",
        "site.yaml:5: guests.kvm-01: the name is taken: it is also in 'hosts'; give each machine its own",
    ),
    "several mistakes": (
        "hosts:\n  b:\n    conect: ssh://b\n  a:\n    connect: ssh://a\n    sudo: 7\n",
        "site.yaml:2: hosts.b.connect: missing; write 'connect:' and its value: connection string as Testinfra's: "
        "ssh://user@host:port, paramiko://, local://\n"
        "site.yaml:3: hosts.b.conect: unknown key; did you mean 'connect'?\n"
        "site.yaml:6: hosts.a.sudo: must be true or false, not '7'",
    ),
    "key twice": (
        HOST + "    connect: ssh://other\n",
        "site.yaml:4: 'connect' is here a second time; first in line 3",
    ),
    "empty": ("  \n", "site.yaml:1: the file is empty; inventory/example.yaml shows what to write"),
    "only comments": ("# x\n", "site.yaml:1: only comments and no values; inventory/example.yaml shows what to write"),
    "no machines": ("version: 1\n", "site.yaml:1: no hosts and no guests in it, so there is nothing to check"),
    "top level a list": ("- a\n", "site.yaml:1: an inventory is a mapping; start with 'hosts:' or 'guests:'"),
    "tab": (
        "hosts:\n\tkvm-01: {}\n",
        "site.yaml:2: not valid YAML: a tab; YAML indents with spaces only",
    ),
    "missing colon": (
        HOST + "    sudo true\n    iommu: any\n",
        "site.yaml:4: not valid YAML: there is no ':' after this key",
    ),
    "bad indentation": (
        HOST + "   sudo: true\n",
        "site.yaml:4: not valid YAML: this line's indentation fits nothing above it, or a '-' is missing",
    ),
    "two documents": (
        HOST + "---\n" + HOST,
        "site.yaml:4: not valid YAML: a second document ('---'); put all into one",
    ),
    "a tag": (
        "hosts:\n  a: !!python/object/apply:os.system {}\n",
        "site.yaml:2: the tag 'tag:yaml.org,2002:python/object/apply:os.system' means nothing here; leave it out",
    ),
    "open quotation mark": (
        "hosts:\n  a: 'x\n  b: 1\n",
        "site.yaml:2: not valid YAML: a quotation mark is opened and never closed",
    ),
    "control character": (b"hosts: {}\n\x00", "site.yaml:2: a control character, which YAML does not allow"),
    "not UTF-8": (b"hosts:\n  k\xe4se: 1\n", "site.yaml:2: not UTF-8 text (byte 0xe4); save it as UTF-8"),
    "too large": (b"#" * (LIMIT_BYTES + 1), "site.yaml: larger than 4 MiB; this is hardly an inventory"),
    "recursive": ("hosts: &a\n  a: *a\n", "site.yaml:1: nested more than 32 levels deep"),
    "recursive merge": ("hosts: &a\n  <<: *a\n", "site.yaml:1: nested more than 32 levels deep"),
    "merge of a number": (HOST + "    <<: 5\n", "site.yaml:4: '<<' takes a mapping, or a list of mappings"),
    "deep": ("hosts: " + "[" * 5000, "site.yaml:1: lists or mappings nested too deeply"),
    "bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "site.yaml:1: more than 200000 values once its aliases are followed",
    ),
}


@pytest.mark.parametrize("parser", [yaml.CBaseLoader, yaml.BaseLoader], ids=["libyaml", "python"])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line(name: str, parser: type, complaint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "Parser", parser)
    text, wanted = MISTAKES[name]
    assert complaint(text) == wanted


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"site\.yaml: there is no such file; copy inventory/example\.yaml"):
        load(tmp_path / "site.yaml")


def test_a_directory_and_a_pipe_are_no_inventories(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InventoryError, match="this is a directory"):
        load(tmp_path)
    with pytest.raises(InventoryError, match="not an ordinary file"):
        load(tmp_path / "pipe")


def test_a_name_that_no_file_can_have_is_one_sentence() -> None:
    with pytest.raises(InventoryError, match="cannot be read"):
        load("a\0b")
    with pytest.raises(InventoryError, match="cannot be read: File name too long"):
        load("a" * 5000)


def test_a_thousand_mistakes_are_cut_short(complaint) -> None:
    lines = complaint("hosts:\n" + "".join(f"  h{n}: {{}}\n" for n in range(1000))).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "... and 950 more like these"


@pytest.fixture
def site(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text(
        "hosts: {kvm-02: {connect: 'ssh://a'}, kvm-01: {connect: 'ssh://b'}}\n"
        "guests: {guest-1: {connect: 'ssh://c'}}\nobservers: {neighbour: {interface: eth0}}\n"
    )
    return load(path)


def test_no_names_select_everything_in_the_inventory_s_order(site) -> None:
    selection = select(site, [])
    assert (selection.hosts, selection.guests) == (("kvm-02", "kvm-01"), ("guest-1",))


def test_names_select_only_what_they_name(site) -> None:
    selection = select(site, ["guest-1", "kvm-02", "guest-1"])
    assert (selection.hosts, selection.guests) == (("kvm-02",), ("guest-1",))
    assert selection.inventory is site


def test_an_unknown_name_is_one_sentence(site) -> None:
    with pytest.raises(InventoryError) as caught:
        select(site, ["guest-2", "zzz", "neighbour"])
    assert str(caught.value).splitlines() == [
        "guest-2: the inventory has no such host or guest; did you mean 'guest-1'? "
        "The inventory has kvm-02, kvm-01, guest-1.",
        "zzz: the inventory has no such host or guest; there are kvm-02, kvm-01, guest-1",
        "neighbour is an observer, of which nothing is checked; name a host or a guest",
    ]


KEYS = [
    "hosts",
    "guests",
    "observers",
    "a",
    "connect",
    "ssh://a",
    "pfs",
    "vfs",
    "vf",
    "nics",
    "bonds",
    "slaves",
    "vlans",
    "drill",
    "budgets",
]
SIGNS = [
    "<<",
    "*x",
    "&x",
    "!!int",
    "!foo",
    ":",
    "-",
    "?",
    "{",
    "}",
    "[",
    "]",
    ",",
    '"',
    "'",
    "\\U",
    "|",
    ">",
    "#",
    "0x",
    "1_0",
    "-.inf",
    "~",
    "12:30:45",
    "\ufeff",
]
WORDS = st.sampled_from(
    [*KEYS, *SIGNS, "&x ", "!!int ", "!foo ", ": ", "- ", "? ", "\n", "\n  ", "\t", "%YAML 1.1\n---\n"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=40).map(lambda parts: "".join(parts).encode())))
def test_nothing_but_an_inventory_error_comes_out(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(data)
    try:
        inventory = load(path)
    except InventoryError as error:
        assert str(error)
        assert all(line.isprintable() for line in str(error).splitlines())
    else:
        assert inventory.hosts or inventory.guests


JSONLIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(st.sampled_from(["hosts", "guests", "observers"]), st.dictionaries(WORDS, JSONLIKE)))
def test_no_well_formed_nonsense_gets_past_the_model(value: object, tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(written(value), encoding="utf-8", errors="surrogatepass")
    try:
        load(path)
    except InventoryError as error:
        assert str(error).startswith(str(path))
