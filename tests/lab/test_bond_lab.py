"""What the bond topology really does: on a running lab, with the kernel's own bonding driver."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import pytest

from inventory.loading import load
from lab.control import ControlError
from lab.session import Lab

pytestmark = pytest.mark.lab

ACTIVE = "/sys/class/net/bond0/bonding/active_slave"
ANNOUNCEMENTS = "arp or icmp6 or (vlan and (arp or icmp6))"
MACS = {"eth0": "52:54:00:77:00:10", "eth1": "52:54:00:77:00:11"}
GARP = r"ethertype ARP .* who-has {address} tell {address}"
NA = r"> ff02::1: ICMP6, neighbor advertisement, tgt is {address}"


def until(condition, seconds: float = 5):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def switch(lab: Lab, to: str) -> None:
    assert lab.output("guest", f"ifenslave -c bond0 {to}; cat {ACTIVE}").strip() == to


CAPTURE = f"""tcpdump -l -U -enni eth0 '{ANNOUNCEMENTS}' 2>&1 &
read -r over
ip neigh flush dev eth0; ping -c1 -W1 10.77.0.250 >/dev/null
read -r seen
kill $!"""


@contextmanager
def capture(lab: Lab) -> Iterator[list[str]]:
    """Lines of tcpdump on the observer; filled when the block ends, up to a request that nobody else sends."""
    frames: list[str] = []
    command = ["ssh", "-F", str(lab.ssh_config), "observer", CAPTURE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stdout is not None
        assert tcpdump.stdin is not None
        while "listening on" not in (line := tcpdump.stdout.readline()):
            assert line, "tcpdump did not start"
        yield frames
        tcpdump.stdin.write("over\n")
        tcpdump.stdin.flush()
        while "who-has 10.77.0.250" not in (line := tcpdump.stdout.readline()):
            assert line, "tcpdump ended early"
            frames.append(line)
        tcpdump.stdin.close()


def matching(frames: list[str], pattern: str, address: str) -> list[str]:
    found = re.compile(pattern.format(address=re.escape(address)))
    return [frame for frame in frames if found.search(frame)]


def test_the_nodes_are_up_and_described(bond_lab):
    status = bond_lab.status()
    assert {node["name"]: (node["state"], node["runs_on"]) for node in status["nodes"]} == {
        "guest": ("up", "UML"),
        "observer": ("up", "UML"),
    }
    assert status["faults"] == []
    assert set(load(bond_lab.inventory).guests) == {"guest"}


def test_its_programs_compute_what_others_do(bond_lab: Lab):
    """On some processors a User-mode machine loses half of each vector register with every page fault."""
    numbers = "".join(f"{number}\n" for number in range(1, 300_001)).encode()
    said = bond_lab.output(
        "guest", "seq 1 300000 >/tmp/n; cat /tmp/n | sha256sum; wc -c </tmp/n; rm /tmp/n", timeout_s=60
    )
    digest, _, size = said.split()
    assert (digest, int(size)) == (hashlib.sha256(numbers).hexdigest(), len(numbers))


def test_the_guest_has_the_bond_it_should_have(bond_lab):
    proc = bond_lab.output("guest", "cat /proc/net/bonding/bond0; cd /sys/class/net/bond0/bonding; grep . num_grat_arp")
    assert "fault-tolerance (active-backup) (fail_over_mac active)" in proc
    assert "MII Polling Interval (ms): 100" in proc
    assert "Peer Notification Delay (ms): 200" in proc
    assert re.findall(r"Permanent HW addr: (\S+)", proc) == list(MACS.values())
    assert proc.count("MII Status: up") == 3
    assert proc.endswith("\n3\n")


def test_there_is_no_systemd_on_the_nodes(bond_lab):
    processes = bond_lab.output("guest", "cat /proc/1/comm; cat /proc/*/comm")
    assert processes.startswith("init\n")
    assert "sshd" in processes
    assert "systemd" not in processes


def test_the_observer_reaches_every_address_of_the_guest(bond_lab):
    addresses = "10.77.0.21 fd77::21 10.77.77.21 fd77:77::21"
    answers = bond_lab.output("observer", f"for a in {addresses}; do ping -q -c1 -W2 $a; done")
    assert answers.count("1 packets transmitted, 1 received, 0% packet loss") == 4


def test_a_thousand_quick_probes_all_come_back(bond_lab):
    summary = bond_lab.output("observer", "ping -q -c 1000 -i 0.002 10.77.0.21")
    assert "1000 packets transmitted, 1000 received, 0% packet loss" in summary
    average = float(re.findall(r"= [\d.]+/([\d.]+)/", summary)[0])
    assert average < 5, summary


def test_each_way_to_switch_is_announced_three_times_on_every_network(bond_lab):
    switch(bond_lab, "eth0")
    ways = (
        "ifenslave -c bond0 eth1; sleep 1; ip link set bond0 type bond active_slave eth0; sleep 1; "
        f"echo eth1 >{ACTIVE}; sleep 1; cat {ACTIVE}"
    )
    with capture(bond_lab) as frames:
        assert bond_lab.output("guest", ways).strip() == "eth1"
    switch(bond_lab, "eth0")
    macs = [garp.split()[1] for garp in matching(frames, GARP, "10.77.0.21")]
    assert [mac for mac, _run in groupby(macs)] == [MACS["eth1"], MACS["eth0"], MACS["eth1"]]
    for address in ("10.77.0.21", "10.77.77.21"):
        garps = matching(frames, GARP, address)
        assert len(garps) == 9, frames
        assert all("> ff:ff:ff:ff:ff:ff" in garp for garp in garps)
        assert all(("vlan 77" in garp) == (address == "10.77.77.21") for garp in garps)
    for address in ("fd77::21", "fd77:77::21"):
        assert len(matching(frames, NA, address)) == 9, frames


def test_the_switch_drops_announcements_until_it_is_mended(bond_lab):
    switch(bond_lab, "eth0")
    bond_lab.fault("garp-na-drop")
    try:
        with capture(bond_lab) as frames:
            bond_lab.output("guest", "ifenslave -c bond0 eth1; sleep 1")
        for address in ("10.77.0.21", "10.77.77.21"):
            assert not matching(frames, GARP, address)
        for address in ("fd77::21", "fd77:77::21"):
            assert not matching(frames, NA, address)
        # Other ARP still works: it is the announcements that are gone, not the protocol.
        assert "1 received" in bond_lab.output("observer", "ip neigh flush dev eth0; ping -c1 -W2 10.77.0.21")
    finally:
        bond_lab.mend("garp-na-drop")
    with capture(bond_lab) as frames:
        bond_lab.output("guest", "ifenslave -c bond0 eth0; sleep 1")
    assert len(matching(frames, GARP, "10.77.0.21")) == 3


def test_a_slave_set_down_in_the_guest_makes_it_fail_over(bond_lab):
    switch(bond_lab, "eth0")
    bond_lab.output("guest", "ip link set eth0 down")
    try:
        assert until(lambda: bond_lab.output("guest", f"cat {ACTIVE}").strip() == "eth1")
    finally:
        bond_lab.output("guest", "ip link set eth0 up")
        until(lambda: bond_lab.output("guest", "cat /proc/net/bonding/bond0").count("MII Status: up") == 3)
        switch(bond_lab, "eth0")


def test_a_port_that_goes_down_is_the_silent_failure_and_comes_back_by_itself(bond_lab):
    switch(bond_lab, "eth0")
    bond_lab.output("observer", "ping -c1 -W2 10.77.0.21")
    bond_lab.fault("port-down", "guest-eth0", for_s=1.5)
    assert bond_lab.status()["faults"] == ["port-down guest-eth0"]
    assert bond_lab.ssh("observer", "ping -c1 -W0.5 10.77.0.21").returncode == 1
    assert bond_lab.output("guest", f"cat {ACTIVE}").strip() == "eth0"
    until(lambda: bond_lab.status()["faults"] == [])
    until(lambda: bond_lab.ssh("observer", "ping -c1 -W0.5 10.77.0.21").returncode == 0)


def test_a_black_hole_takes_every_frame_and_counts_them(bond_lab):
    bond_lab.output("observer", "ping -q -c1 -W2 10.77.0.21")
    bond_lab.fault("blackhole", "guest")
    try:
        lost = bond_lab.ssh("observer", "ping -q -c 20 -i 0.01 -W 1 10.77.0.21").stdout
    finally:
        bond_lab.mend("blackhole", "guest")
    assert "20 packets transmitted, 0 received" in lost
    assert bond_lab.swallowed()["echo"] == 20
    assert set(bond_lab.swallowed()) == {"echo", "echo6", "rest"}
    assert "1 received" in bond_lab.output("observer", "ping -q -c1 -W2 10.77.0.21")


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        ("garp-na-drop", "guest-eth0", "takes no port"),
        ("port-down", "eth9", "there is no port 'eth9'; there is guest-ctl, guest-eth0"),
        ("wire-cut", "eth0", "NIC 'eth0' is on several nodes"),
        ("wire-cut", "guest/eth0", "always has carrier; use port-down"),
        ("blackhole", "eth0", "there is no node or port 'eth0' on the switch; there is guest, observer, guest-ctl"),
        ("fire", "", "there is no fault 'fire'; there is garp-na-drop, port-down, wire-cut, blackhole"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_one_sentence(bond_lab, kind, target, message):
    with pytest.raises(ControlError) as refusal:
        bond_lab.fault(kind, target)
    assert message in str(refusal.value)
    assert bond_lab.status()["faults"] == []


def test_the_host_keys_are_verified(bond_lab, tmp_path):
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    command = ["ssh", "-F", bond_lab.ssh_config, "-o", f"UserKnownHostsFile={empty}", "guest", "true"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 255
    assert "Host key verification failed" in answer.stderr


def test_the_console_is_a_shell_and_all_of_it_is_in_the_log(bond_lab):
    with socket.socket(socket.AF_UNIX) as console:
        console.settimeout(5)
        console.connect(str(bond_lab.state.console_socket("guest")))
        console.sendall(b"echo con''sole-works\n")
        seen = b""
        while b"console-works" not in seen:
            seen += console.recv(4096)
    assert "console-works" in bond_lab.state.console_log("guest").read_text()


def test_nonsense_on_the_control_socket_is_answered(bond_lab):
    for nonsense in (b"\n", b"[1]\n", b'{"do": "dance"}\n', b"\xff\xfe\n"):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(str(bond_lab.state.control_socket))
            control.sendall(nonsense)
            assert b'"error"' in control.recv(4096)
    assert bond_lab.status()["topology"] == "bond"
