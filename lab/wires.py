"""The wires of a lab, inside the network namespace of its cell: bridges, taps, observer namespaces, and faults on them.

`sw` is the switch (no address), `mgmt` the management network. All by `ip -batch` and `nft -f`, whose texts are made by
pure functions, so that a test can read them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from pathlib import Path

from lab.topology import Namespace, Port, Topology

BRIDGES = ("sw", "mgmt")
FAULT_TABLE = "vfproof_faults"
BLACKHOLE_TABLE = "vfproof_blackhole"


class WireError(Exception):
    """A wire cannot be laid or changed; the text is what the program said."""


def run(*command: str, stdin: str | None = None) -> str:
    """Run a program that must succeed, and give its output. Raises `WireError`."""
    try:
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except OSError as error:
        raise WireError(f"cannot run {command[0]}: {error.strerror}") from error
    if result.returncode != 0:
        said = " ".join(result.stderr.split()) or f"exit status {result.returncode}"
        raise WireError(f"{' '.join(command)}: {said}")
    return result.stdout


def build(topology: Topology) -> None:
    """Make every bridge, tap and namespace of the topology. Raises `WireError`."""
    _quiet_ipv6()
    run("ip", "-batch", "-", stdin="\n".join(cell_commands(topology)) + "\n")
    for name, space in topology.namespaces.items():
        # New namespaces start from the kernel's defaults, not from this one's: be quiet in there too.
        for setting in _NO_NOISE:
            run("ip", "netns", "exec", name, "tee", f"/proc/sys/net/ipv6/conf/{setting}", stdin="0")
        run("ip", "-netns", name, "-batch", "-", stdin="\n".join(namespace_commands(space)) + "\n")


_NO_NOISE = (
    "all/accept_dad",
    "default/accept_dad",
    "all/accept_ra",
    "default/accept_ra",
    "default/router_solicitations",
)


def _quiet_ipv6() -> None:
    """The cell's own interfaces speak no IPv6: what is seen on the switch comes from the nodes."""
    for scope in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")


def cell_commands(topology: Topology) -> list[str]:
    """Lines for `ip -batch` in the cell's own namespace."""
    lines = ["link set lo up"]
    for bridge in BRIDGES:
        # No spanning tree and no delay: a port forwards from its first frame. No snooping: ff02::1 goes everywhere.
        lines += [
            f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {bridge} up",
        ]
    lines.append(f"addr add {topology.mgmt} dev mgmt")
    for port in _ports(topology):
        lines += [f"tuntap add dev {port.tap} mode tap", f"link set {port.tap} master {port.bridge} up"]
    for name, space in topology.namespaces.items():
        lines += [
            f"netns add {name}",
            f"link add {space.tap} type veth peer name {space.nic} netns {name} address {space.mac}",
            f"link set {space.tap} master {space.bridge} up",
        ]
    return lines


def namespace_commands(space: Namespace) -> list[str]:
    """Lines for `ip -batch` inside an observer's namespace."""
    lines = ["link set lo up", f"link set {space.nic} up"]
    return lines + [f"addr add {address} dev {space.nic} nodad" for address in space.addresses]


def _ports(topology: Topology) -> Iterable[Port]:
    return (port for node in topology.nodes.values() for port in node.nics.values())


def taps(topology: Topology) -> tuple[str, ...]:
    """Every port of the bridges, sorted: what `port-down` may be given."""
    return tuple(sorted([p.tap for p in _ports(topology)] + [s.tap for s in topology.namespaces.values()]))


def set_port(tap: str, *, up: bool) -> None:
    """One port of a bridge, up or down: the switch's side, so that the node's own carrier may well stay."""
    run("ip", "link", "set", tap, "up" if up else "down")


def drop_announcements(lans: Iterable[IPv4Network]) -> None:
    """From now on the switch forwards no gratuitous ARP and no unsolicited neighbour advertisement, tagged or not."""
    run("nft", "-f", "-", stdin=announcement_rules(lans))


def forward_announcements() -> None:
    """The way back."""
    run("nft", "delete", "table", "bridge", FAULT_TABLE)


def dropped_announcements() -> dict[str, int]:
    """Frames dropped so far, by kind. Raises `WireError` when the fault is off."""
    listing = run("nft", "list", "table", "bridge", FAULT_TABLE)
    counts = {}
    for line in listing.splitlines():
        words = line.split()
        if "counter" in words and "packets" in words and "comment" in words:
            counts[words[-1].strip('"')] = int(words[words.index("packets") + 1])
    return counts


def announcement_rules(lans: Iterable[IPv4Network]) -> str:
    """An nftables script. nft cannot compare two fields of one frame, so every address is listed as a pair of itself.

    The bridge hook sees tagged frames with their tag already taken off (net/core/dev.c, skb_vlan_untag), hence
    `meta protocol`, which holds for both. The rules hold on every bridge of the cell, since not all kernels can match
    a bridge's name. A neighbour advertisement to ff02::1 is unsolicited (RFC 4861, 7.2.6).
    """
    pairs = ", ".join(f"{host} . {host}" for lan in lans for host in lan.hosts())
    return (
        f"table bridge {FAULT_TABLE} {{\n"
        "  set announced {\n"
        "    type ipv4_addr . ipv4_addr\n"
        f"    elements = {{ {pairs} }}\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority 0; policy accept;\n"
        '    meta protocol arp arp saddr ip . arp daddr ip @announced counter drop comment "garp"\n'
        "    meta protocol ip6 ip6 nexthdr ipv6-icmp ip6 daddr ff02::1 "
        '@th,0,8 136 counter drop comment "na"\n'
        "  }\n"
        "}\n"
    )


def swallow(ports: Iterable[str], for_s: float | None) -> None:
    """From now on, or for so long, the switch forwards nothing from or to these ports, and counts it."""
    run("nft", "-f", "-", stdin=blackhole_rules(ports, for_s))


def swallow_no_more() -> Mapping[str, int]:
    """The way back; says how many frames were dropped: ICMP and ICMPv6 echoes, and the rest.

    The rules go first, so that no frame is dropped after it was counted up.
    """
    run("nft", "flush", "chain", "bridge", BLACKHOLE_TABLE, "forward")
    said = json.loads(run("nft", "-j", "list", "counters", "table", "bridge", BLACKHOLE_TABLE))
    run("nft", "delete", "table", "bridge", BLACKHOLE_TABLE)
    return {each["counter"]["name"]: each["counter"]["packets"] for each in said["nftables"] if "counter" in each}


def blackhole_rules(ports: Iterable[str], for_s: float | None) -> str:
    """An nftables script. The kernel itself lets the ports out of the set when their time is over, to the tick."""
    timeout = "" if for_s is None else f" timeout {max(1, round(for_s * 1000))}ms"
    elements = ", ".join(f'"{port}"{timeout}' for port in ports)
    return (
        f"table bridge {BLACKHOLE_TABLE} {{\n"
        f"  set ports {{ type ifname; flags timeout; elements = {{ {elements} }}; }}\n"
        "  counter echo {}\n"
        "  counter echo6 {}\n"
        "  counter rest {}\n"
        "  chain hole {\n"
        "    icmp type { echo-request, echo-reply } counter name echo drop\n"
        "    icmpv6 type { echo-request, echo-reply } counter name echo6 drop\n"
        "    counter name rest drop\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority 0; policy accept;\n"
        "    iifname @ports goto hole\n"
        "    oifname @ports goto hole\n"
        "  }\n"
        "}\n"
    )
