"""Writes to sriov_numvfs in services, scripts and lists: which PF they mean, how many, and whether the boot does it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.facts import persistence
from checks.linux.sysfs_writes import is_for, shell_writes
from checks.linux.systemd_units import expanded, services, started
from checks.linux.vf_options import effect, options
from checks.outcome import CouldNotLook
from tests.checks.persistence_host import GENERATORS, NIC, NM, UNITS, bundle, claims, gathered
from tests.checks.test_vfs import PF

NETDEV = "/sys/class/net/enp1s0/device/sriov_numvfs"
DEVICE = f"/sys/bus/pci/devices/{PF}/sriov_numvfs"


@pytest.mark.parametrize(
    ("line", "numbers", "certain"),
    [
        (f"echo 4 > {NETDEV}", [4], True),
        (f"echo 4 >{NETDEV}", [4], True),
        (f"echo -n '4' > \"{DEVICE}\"", [4], True),
        (f"printf 4 >> {DEVICE}", [4], True),
        (f"printf '%s\\n' 4 > {DEVICE}", [4], True),
        (f"echo 4 | tee {NETDEV}", [4], True),
        (f"echo 4 | sudo tee -a {NETDEV} >/dev/null", [4], True),
        (f"echo 0 > {NETDEV}; echo 4 > {NETDEV}", [0, 4], True),
        (f"echo 0 > {NETDEV} && echo 4 > {NETDEV}", [0, 4], True),
        (f"echo 4 > {NETDEV} || true", [4], True),
        (f"echo 4 > {NETDEV} || exit 1", [4], True),
        (f"/bin/sh -c 'echo 4 > {NETDEV}'", [4], True),
        (f"echo 010 > {NETDEV}", [8], True),
        (f"echo $N > {NETDEV}", [None], True),
        (f"[ -e {NETDEV} ] && echo 4 > {NETDEV}", [4], False),
        (f"if true; then echo 4 > {NETDEV}; fi", [4], False),
        (f"  echo 4 > {NETDEV}", [4], False),  # inside of something
        (f"test -w {NETDEV} || exit 0", [None], False),
        (f"F={NETDEV}", [None], False),
        (f"/usr/bin/dd if=/tmp/n of={NETDEV}", [None], False),
        (f"cat {NETDEV}", [], True),
        (f"# echo 4 > {NETDEV}", [], True),
        ("echo 4 > /sys/class/net/enp1s0/mtu", [], True),
    ],
)
def test_writes_of_a_shell_line(line, numbers, certain):
    found = shell_writes([line])
    assert [write.number for write in found] == numbers
    assert all(write.certain for write in found) == certain


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (NETDEV, True),
        (DEVICE, True),
        (f"/sys/devices/pci0000:00/0000:00:02.0/{PF}/sriov_numvfs", True),
        (f"/sys/devices/pci0000:00/0000:00:02.0/{PF}/net/enp1s0/device/sriov_numvfs", True),
        (f"/sys/bus/pci/drivers/igb/{PF}/sriov_numvfs", True),
        ("/sys/class/net/enp1s0//device/sriov_numvfs", True),
        ("/sys/class/net/enp1s0f1/device/sriov_numvfs", False),
        ("/sys/class/net/enp*/device/sriov_numvfs", True),
        ("/sys/class/net/ens*/device/sriov_numvfs", False),
        ("/sys/bus/pci/devices/0000:05:00.0/sriov_numvfs", False),
        ("/sys/class/net/$nic/device/sriov_numvfs", None),
        ("/sys/class/net/%i/device/sriov_numvfs", None),
        ("/tmp/sriov_numvfs", None),
    ],
)
def test_which_pf_a_path_means(path, verdict):
    (write,) = shell_writes([f"echo 4 > {path}"])
    assert is_for(write, NIC) is verdict


def only(files, **changes):
    (claim,) = claims(files, **changes)
    return claim


UNIT = f"[Service]\nExecStart=/bin/sh -c 'echo 4 > {NETDEV}'\n"


def test_a_service_acts_when_the_boot_starts_it():
    path = {f"{UNITS}/vfs.service": UNIT}
    assert only(path, wants=["vfs.service"]).effective is True
    assert only(path).reason == "no boot starts it: systemctl enable vfs.service"
    elsewhere = {f"{UNITS}/site.target.wants/vfs.service": f"{UNITS}/vfs.service"}
    assert "reaches site.target" in only(path, links=elsewhere).reason
    device = {f"{UNITS}/sys-subsystem-net-devices-enp1s0.device.wants/vfs.service": f"{UNITS}/vfs.service"}
    assert only(path, links=device).effective is True
    assert not only(path, links=device).advice


def test_a_service_of_a_package_counts_and_the_sites_own_replaces_it():
    lib = {"/usr/lib/systemd/system/vfs.service": UNIT}
    assert only(lib, wants=["vfs.service"]).effective is True
    own = {f"{UNITS}/vfs.service": UNIT.replace("echo 4", "echo 5")}
    assert only(lib | own, wants=["vfs.service"]).count == 5
    drop_in = {f"{UNITS}/vfs.service.d/more.conf": f"[Service]\nExecStart=\nExecStart=/bin/sh -c 'echo 6 > {NETDEV}'\n"}
    claim = only(lib | drop_in, wants=["vfs.service"])
    assert (claim.writes, claim.where) == ((6,), f"{UNITS}/vfs.service.d/more.conf")


def test_a_template_acts_for_its_instances():
    text = {
        f"{UNITS}/vfs@.service": "[Service]\nExecStart=/bin/sh -c 'echo 4 > /sys/class/net/%i/device/sriov_numvfs'\n"
    }
    assert only(text, wants=["vfs@enp1s0.service"]).effective is True
    assert not claims(text)
    assert "there is no enp9s0" in only(text, wants=["vfs@enp9s0.service"]).reason
    assert expanded("a %i %I %%", "x-y\\x2dz") == "a x-y\\x2dz x/y-z %"


def test_a_script_that_a_service_calls_is_read():
    files = {
        f"{UNITS}/vfs.service": "[Service]\nExecStart=/usr/local/sbin/vfs.sh\n",
        "/usr/local/sbin/vfs.sh": f"echo 4 > {DEVICE}\n",
    }
    claim = only(files, wants=["vfs.service"])
    assert (claim.effective, claim.count) == (True, 4)
    assert claim.where == f"{UNITS}/vfs.service calls /usr/local/sbin/vfs.sh"
    assert not claims({"/usr/local/sbin/vfs.sh": f"echo 4 > {DEVICE}\n"})  # nobody calls it
    guarded = files | {"/usr/local/sbin/vfs.sh": f"    echo 4 > {DEVICE}\n"}
    assert only(guarded, wants=["vfs.service"]).effective is None


def test_conditions_and_users_of_a_service():
    user = only({f"{UNITS}/vfs.service": f"{UNIT}User=nobody\n"}, wants=["vfs.service"])
    assert user.reason == "it runs as nobody, who may not write there"
    here = f"[Unit]\nConditionPathExists={NETDEV}\n{UNIT}"
    assert only({f"{UNITS}/vfs.service": here}, wants=["vfs.service"]).effective is True
    there = "[Unit]\nConditionVirtualization=no\n" + UNIT
    assert only({f"{UNITS}/vfs.service": there}, wants=["vfs.service"]).effective is None
    stop = {f"{UNITS}/vfs.service": f"[Service]\nExecStop=/bin/sh -c 'echo 0 > {NETDEV}'\n"}
    assert not claims(stop, wants=["vfs.service"])


def test_what_every_boot_reaches():
    assert started(["/etc/systemd/system/multi-user.target.wants/a.service"]) == {"a.service"}
    assert started(["/usr/lib/systemd/system/sysinit.target.wants/b.service", "/tmp/x.wants/c.service"]) == {
        "b.service"
    }
    assert started(["/etc/systemd/system/rescue.target.wants/a.service"]) == set()
    assert services({}, {}, {}) == ()


def test_lists_and_hooks():
    tmp = only({"/etc/tmpfiles.d/a.conf": f"w {NETDEV} - - - - 4\n"})
    assert (tmp.effective, tmp.count) == (None, 4)
    assert not claims({"/etc/tmpfiles.d/a.conf": f"#w {NETDEV} - - - - 4\nr {NETDEV}\n"})
    sysfs = {"/etc/sysfs.conf": "class/net/enp1s0/device/sriov_numvfs = 4\n"}
    assert only(sysfs, links={"/etc/rcS.d/S01sysfsutils": "../init.d/sysfsutils"}).effective is True
    interfaces = {"/etc/network/interfaces": f"iface enp1s0 inet manual\n  pre-up echo 4 > {NETDEV}\n"}
    assert (only(interfaces).mechanism, only(interfaces).effective) == ("ifupdown", False)
    assert not claims({"/etc/network/interfaces": f"  post-down echo 0 > {NETDEV}\n"})
    cron = only({"/etc/cron.d/vfs": f"@reboot root echo 4 > {NETDEV}\n"})
    assert cron.effective is False  # no boot starts a cron here
    tuned = {"/etc/tuned/site/tuned.conf": f"{NETDEV}=4\n"}
    assert not claims(tuned)
    assert only(tuned | {"/etc/tuned/active_profile": "site\n"}).title == "tuned profile"


def test_rc_local():
    text = {"/etc/rc.local": f"echo 4 > {NETDEV}\nexit 0\n"}
    assert only(text, executable="/etc/rc.local\n").effective is True
    masked = only(text, executable="/etc/rc.local\n", links={f"{UNITS}/rc-local.service": "/dev/null"})
    assert masked.reason == "rc-local.service is masked"
    assert "guests that start by themselves" in only(text, executable="x", wants=["libvirtd.service"]).advice[0]


@pytest.mark.parametrize(
    ("line", "count", "acts"),
    [
        ("options igb max_vfs=4", 4, True),
        ("options igb max_vfs=9", 7, True),  # igb_probe_vfs() takes 7 of more
        ("options ixgbe max_vfs=64", 0, False),
        ("options i40e max_vfs=4", None, False),
        ("options mlx5_core num_vfs=4", None, False),
        ("options mlx4_core num_vfs=4", 4, None),
        ("options igb max_vfs=4,4", None, None),
        ("options igb num_vfs=4", None, False),
        ("options unheard_of max_vfs=4", None, None),
    ],
)
def test_options_of_drivers(line, count, acts):
    (option,) = options("/etc/modprobe.d/a.conf", line)
    assert effect(option)[:2] == (count, acts)


def test_the_last_option_counts_and_a_replaced_file_does_not():
    etc, lib = "/etc/modprobe.d", "/usr/lib/modprobe.d"
    both = {f"{etc}/a.conf": "options igb max_vfs=1\n", f"{etc}/b.conf": "options igb max_vfs=3\n"}
    assert only(both).count == 3
    assert only({f"{etc}/a.conf": "options igb max_vfs=1\n", f"{lib}/a.conf": "options igb max_vfs=3\n"}).count == 1
    on_line = only({"/proc/cmdline": "ro igb.max_vfs=2\n"})
    assert (on_line.where, on_line.count, on_line.advice) == ("/proc/cmdline", 2, ())


def test_managers():
    config = "/etc/sriov-operator/sriov-interface-config.yaml"
    text = "interfaces:\n- name: a\n  pciAddress: 0000:05:00.0\n  numVfs: 9\n- name: enp1s0\n  numVfs: 4\n"
    assert only({config: text}).count == 4
    assert not claims({config: "interfaces:\n- pciAddress: 0000:05:00.0\n  numVfs: 9\n"})
    stored = only({}, names={"/etc/sriov-operator": ("pci",), "/etc/sriov-operator/pci": (PF,)})
    assert (stored.effective, stored.count) == (True, None)
    vague = only({}, names={"/etc/sriov-operator": ("other",)})
    assert vague.effective is None
    triple = {"/etc/os-net-config/sriov_config.yaml": "- device_type: pf\n  name: enp1s0\n  numvfs: 4\n"}
    assert only(triple, wants=["sriov_config.service"]).effective is True
    assert only(triple).effective is None
    assert not claims({"/etc/driverctl.d/0000:01:00.0": "vfio-pci\n"})  # it binds drivers and makes nothing


SECRETS = [
    (f"{NM}/x.nmconnection", "[wifi-security]\npsk=hunter2\n[vpn-secrets]\npassword=hunter2\n[connection]\nid=x\n"),
    ("/etc/sysconfig/network-scripts/ifcfg-x", "DEVICE=x\nWPA_PSK='hunter2'\nIEEE_8021X_PASSWORD=hunter2\n"),
    (
        "/etc/netplan/x.yaml",
        "network:\n  wifis:\n    w:\n      access-points:\n        net: {password: hunter2}\n  ethernets:\n    e:\n"
        "      auth:\n        password: hunter2\n        client-key-password: 'hunter2'\n"
        "    f: {link: hunter2, key: hunter2}\n",
    ),
    ("/etc/systemd/system/x.service", "[Service]\nEnvironment=KEY=hunter2\nExecStart=/opt/x --password hunter2\n"),
    ("/etc/systemd/system/x.service", "ExecStart=/usr/local/bin/x hunter2\n"),
    ("/etc/rc.local", "export TOKEN=hunter2\n"),
    ("/etc/systemd/network/10-x.link", "[Link]\nWakeOnLan=secureon\nWakeOnLanPassword=hunter2\n"),
    ("/etc/systemd/network/10-x.network", "[Network]\nDescription=hunter2\n"),
    ("/etc/NetworkManager/NetworkManager.conf", "[global-dns]\nsearches=hunter2\n"),
    ("/etc/os-net-config/sriov_config.yaml", "- name: x\n  secret: hunter2\n"),
    ("/etc/crontab", "@reboot root curl -u hunter2 x\n"),
]


@pytest.mark.parametrize(
    ("before", "effective", "why"),
    [
        ("source /etc/network/interfaces.d/*\n", True, ""),
        ("source-directory /etc/network/interfaces.d\n", True, ""),
        ("source /etc/network/interfaces.d/*.cfg\n", False, "/etc/network/interfaces does not read this file"),
        ("", False, "/etc/network/interfaces does not read this file"),
        ("source /etc/network/interfaces.d/*\nmapping enp1s0\n  script x\n", None, "a mapping or a pattern leads to"),
    ],
)
def test_files_of_ifupdown_count_where_the_main_one_reads_them(before, effective, why):
    stanza = f"allow-auto enp1s0\niface enp1s0 inet manual\n\tup echo 4 >{NETDEV}\n\tpost-down echo 0 >{NETDEV}\n"
    texts = {"/etc/network/interfaces": before, "/etc/network/interfaces.d/pf": stanza}
    found = only(texts, links={"/etc/rcS.d/S01networking": "../init.d/networking"})
    assert (found.effective, found.count) == (effective, 4)
    assert why in found.reason


@pytest.mark.parametrize(
    ("path", "line", "wants", "effective", "why"),
    [
        ("/etc/cron.d/vfs", "@reboot root echo 4 > {}", ["cron.service"], True, ""),
        ("/etc/crontab", "@reboot  root  echo 4 >{}", ["crond.service"], True, ""),
        ("/etc/crontab", "@reboot root echo 4 > {}", [], False, "no boot starts cron"),
        ("/etc/crontab", "@reboot nobody echo 4 > {}", ["cron.service"], False, "runs as nobody"),
        (
            "/etc/crontab",
            "@reboot root [ -e /x ] && echo 4 > {}",
            ["cron.service"],
            None,
            "whether the line is reached",
        ),
        ("/etc/crontab", "@reboot root sleep 9%; echo 4 > {}", ["cron.service"], None, "what a % makes"),
        ("/etc/cron.d/vfs.old", "@reboot root echo 4 > {}", ["cron.service"], None, "a dot in its name"),
        ("/etc/crontab", "0 4 * * * root echo 4 > {}", ["cron.service"], None, "when it runs is not judged"),
    ],
)
def test_cron_makes_vfs_when_it_starts(path, line, wants, effective, why):
    found = only({path: line.format(NETDEV) + "\n"}, wants=wants)
    assert (found.effective, found.count) == (effective, 4)
    assert why in found.reason


def test_a_nic_that_ifupdown_meets_by_udev_is_left_open():
    texts = f"allow-hotplug enp1s0\niface enp1s0 inet manual\n  up echo 4 > {NETDEV}\n"
    found = only({"/etc/network/interfaces": texts})
    assert (found.effective, "allow-hotplug" in found.reason) == (None, True)


@pytest.mark.parametrize(("path", "text"), SECRETS)
def test_no_secret_leaves_the_host(path, text):

    assert "hunter2" not in gathered(path, text)


FUZZED = [
    f"{UNITS}/a.service",
    f"{UNITS}/a.service.d/b.conf",
    "/usr/local/sbin/a",
    "/etc/rc.local",
    "/etc/tmpfiles.d/a.conf",
    "/etc/sysfs.conf",
    "/etc/network/interfaces",
    "/etc/tuned/active_profile",
    "/etc/tuned/a/tuned.conf",
    "/etc/crontab",
    "/etc/modprobe.d/a.conf",
    "/etc/sriov-operator/sriov-interface-config.yaml",
    "/etc/os-net-config/sriov_config.yaml",
    "/proc/cmdline",
]


@given(st.text(max_size=120), st.sampled_from(["", "echo 4 > sriov_numvfs", "ExecStart=", "options igb max_vfs="]))
def test_any_text_is_read_without_an_error_of_another_kind(text, start):
    with contextlib.suppress(CouldNotLook):
        persistence.parse(bundle(dict.fromkeys(FUZZED, start + text), names={GENERATORS: ("netplan",)}, sieved=False))
