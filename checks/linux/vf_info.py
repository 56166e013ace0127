"""What `ip -d -j link show` says of VFs, in the spellings of old and new iproute2.

Source: iproute2 ip/ipaddress.c (print_vfinfo). The MAC was called "mac" before 5.3; `vlan_list` is [{}] where there is
no VLAN, and before kernels had the list, `vlan` and `qos` stood beside it. What a driver does not report is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VfInfo:
    """Settings of one VF as its PF reports them; None is what it does not report. Rates in Mbit/s, 0 for no limit."""

    mac: str | None = None
    vlan: int | None = None
    qos: int | None = None
    vlan_protocol: str | None = None
    spoofchk: bool | None = None
    trust: bool | None = None
    link_state: str | None = None
    max_tx_rate_mbps: int | None = None
    min_tx_rate_mbps: int | None = None


def infos_by_netdev(text: str) -> dict[str, dict[int, VfInfo]]:
    """The VFs of every netdev by index. Raises ValueError when the text is not what `ip` prints."""
    try:
        links = json.loads(text or "[]")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(links, list):
        raise ValueError("not a list of links")  # noqa: TRY004 - one error for all that is not understood
    return {
        link["ifname"]: _by_index(link.get("vfinfo_list"))
        for link in links
        if isinstance(link, dict) and isinstance(link.get("ifname"), str)
    }


def _by_index(infos: object) -> dict[int, VfInfo]:
    if not isinstance(infos, list):
        return {}
    known = [one for one in infos if isinstance(one, dict) and _whole(one.get("vf")) is not None]
    return {one["vf"]: _info(one) for one in known}


def _info(info: Mapping[str, Any]) -> VfInfo:
    vlans = info.get("vlan_list")
    first = vlans[0] if isinstance(vlans, list) and vlans and isinstance(vlans[0], dict) else info
    rate = info.get("rate")
    rates = rate if isinstance(rate, dict) else {}
    return VfInfo(
        mac=_lower(info.get("address", info.get("mac"))),
        vlan=_whole(first.get("vlan", 0)),
        qos=_whole(first.get("qos", 0)),
        vlan_protocol=_lower(first.get("protocol")),
        spoofchk=_truth(info.get("spoofchk")),
        trust=_truth(info.get("trust")),
        link_state=_lower(info.get("link_state")),
        max_tx_rate_mbps=_whole(rates.get("max_tx", info.get("tx_rate"))),
        min_tx_rate_mbps=_whole(rates.get("min_tx")),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _lower(value: object) -> str | None:
    return value.lower() if isinstance(value, str) else None
