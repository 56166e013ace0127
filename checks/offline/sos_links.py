"""`ip -s -d link` of a sosreport, told as `ip -d -j link show` would tell it, and as the NICs' files in sysfs.

Only what facts read is told: names, addresses, MTU, state, master, kind, and the settings of VFs. What the text leaves
out where the JSON has a zero (a VF's rates) is left out.
Source: iproute2 ip/ipaddress.c (print_linkinfo, print_linktype, print_vfinfo), ip/iplink_vlan.c.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

LINKS = "ip -s -d link"
JSON = "ip -d -j link show"
_MAC = r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
_HEAD = re.compile(
    r"(?P<index>\d{1,10}): (?P<name>[^\s:@]{1,15})(?:@(?P<lower>[^\s:]{1,15}))?: "
    r"<[A-Z0-9_,-]*> mtu (?P<mtu>\d{1,10}) (?P<rest>.*)"
)
_TYPE = re.compile(rf" {{4}}link/(?P<type>\S{{1,20}})(?: (?P<mac>{_MAC}))?(?P<rest>.*)")
_VF = re.compile(rf" {{4}}vf (?P<vf>\d{{1,5}}) (?:    link/\S{{1,20}}|MAC) (?P<mac>{_MAC})(?P<rest>.*)")
_KIND = re.compile(r" {4}(?P<kind>[a-z0-9_]{2,16}) ?(?P<rest>.*)")
_SLAVE = re.compile(r"[a-z]{2,12}_slave")


def links(text: bytes) -> list[dict[str, Any]] | None:
    """Every link as an object of the JSON; None for a text that is not what `ip` prints."""
    found: list[dict[str, Any]] = []
    rows = text.decode("utf-8", "replace").splitlines()
    for number, row in enumerate(rows):
        if head := _HEAD.fullmatch(row):
            after = rows[number + 1] if number + 1 < len(rows) else ""
            if (kind := _TYPE.match(after)) is None:
                return None
            found.append(_link(head, kind))
        elif not row.startswith(" ") or not found:
            return None
        else:
            _more(row, rows[number - 1], found[-1])
    return found or None


def _link(head: re.Match[str], kind: re.Match[str]) -> dict[str, Any]:
    link: dict[str, Any] = {
        "ifindex": int(head["index"]),
        "ifname": head["name"],
        "mtu": int(head["mtu"]),
        "operstate": _after("state", head["rest"]) or "UNKNOWN",
        "link_type": kind["type"],
        "link": None if head["lower"] in (None, "NONE") else head["lower"],
        "master": _after("master", head["rest"]),
        "address": kind["mac"],
        "permaddr": _after("permaddr", kind["rest"]),
    }
    return {key: value for key, value in link.items() if value is not None}


def _more(row: str, before: str, link: dict[str, Any]) -> None:
    """A line below a link's own: one VF, or what kind of a link it is (that stands right behind its address)."""
    if vf := _VF.match(row):
        link.setdefault("vfinfo_list", []).append(_vf(vf))
    elif before.startswith("    link/") and (kind := _KIND.match(row)) and not _SLAVE.fullmatch(kind["kind"]):
        link["linkinfo"] = {"info_kind": kind["kind"]}
        if kind["kind"] == "vlan" and (identity := _after("id", kind["rest"])) and identity.isdecimal():
            link["linkinfo"]["info_data"] = {"id": int(identity[:5])}


def _vf(found: re.Match[str]) -> dict[str, Any]:
    rest = found["rest"]
    words = {"spoofchk": "spoof checking", "trust": "trust"}
    info: dict[str, Any] = {"vf": int(found["vf"]), "address": found["mac"]}
    info |= {key: value == "on" for key, word in words.items() if (value := _said(word, r"(on|off)", rest))}
    if state := _said("link-state", r"(auto|enable|disable)", rest):
        info["link_state"] = state
    vlan = {key: int(value) for key in ("vlan", "qos") if (value := _said(key, r"(\d{1,5})", rest))}
    protocol = _said("vlan protocol", r"([^\s,]{1,10})", rest)
    info["vlan_list"] = [{**vlan, **({"protocol": protocol} if protocol else {})}]
    rates = {key: int(value) for key in ("max_tx", "min_tx") if (value := _said(f"{key}_rate", r"(\d{1,9})Mbps", rest))}
    return {**info, **({"rate": rates} if rates else {})}


def _said(word: str, pattern: str, rest: str) -> str | None:
    found = re.search(rf", {word} {pattern}(?:,|$| )", rest)
    return found[1] if found else None


def _after(word: str, text: str) -> str | None:
    """The word behind a word."""
    found = re.search(rf"(?:^| ){word} (\S{{1,40}})", text)
    return found[1].rstrip(",") if found else None


def as_json(found: list[dict[str, Any]]) -> bytes:
    """What `ip -d -j link show` prints of them."""
    return json.dumps(found).encode()


def attributes(found: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Files of sysfs that say the same: address, MTU, and state."""
    for link in found:
        place = f"/sys/class/net/{link['ifname']}"
        yield f"{place}/address", f"{link.get('address', '')}\n".encode()
        yield f"{place}/mtu", f"{link['mtu']}\n".encode()
        yield f"{place}/operstate", f"{link['operstate'].lower()}\n".encode()


def masters(found: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The links `master` in sysfs: what an interface is a port or a slave of, which is never hardware."""
    for link in found:
        if "master" in link:
            yield f"/sys/class/net/{link['ifname']}/master", f"../{link['master']}"
