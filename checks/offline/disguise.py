"""Finding what tells whose machine it is in texts, and putting a pseudonym in its place; all texts of one set alike."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from checks.offline.pseudonyms import Pseudonyms

# Names that are words of the texts themselves: replacing them would change what the texts mean.
_COMMON = """
    amd any auto bond bond0 boot bridge centos data debian default eth0 fedora guest guests host hosts intel kernel kvm
    libvirt linux localhost name net network node none pci qemu rhel root server system test ubuntu udev user vm
"""
COMMON = frozenset(_COMMON.split())
_HEX = "[0-9A-Fa-f]"
_PATTERNS = {
    "key": r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d+) +AAAA[A-Za-z0-9+/]+=*",
    "uuid": rf"(?<!{_HEX}){_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}(?!{_HEX})",
    "mac": rf"(?<!{_HEX})(?<!\b{_HEX}{{2}}[:-]){_HEX}{{2}}([:-])(?:{_HEX}{{2}}\2){{4,18}}{_HEX}{{2}}(?![:-]?{_HEX})",
    "ipv6": rf"(?:(?<![0-9A-Za-z:.])|(?<=[g-zG-Z_/]:))(?:{_HEX}{{0,4}}:){{2,7}}{_HEX}{{0,4}}(?![0-9A-Za-z:.])",
    "ipv4": r"(?<![0-9A-Za-z.])\d{1,3}(?:\.\d{1,3}){3}(?![0-9]|\.[0-9]|-\d*[a-z])",
    "id": rf"(?<!{_HEX})(?:{_HEX}{{64}}|{_HEX}{{40}}|{_HEX}{{32}}|{_HEX}{{12}})(?!{_HEX})",
}
_MAC = re.compile(_PATTERNS["mac"].replace(r"\2", r"\1"))


class Disguise:
    """One set's disguise: learn all of it first, then put it on."""

    def __init__(self, pseudonyms: Pseudonyms | None = None) -> None:
        self._pseudonyms = pseudonyms or Pseudonyms()
        self._names: set[str] = set()
        self._macs: set[str] = set()
        self._finder: re.Pattern[str] | None = None
        self._bytes: re.Pattern[str] | None = None

    def learn(self, text: str, names: Iterable[str] = ()) -> None:
        """Names to hide, and the MACs of a text, which elsewhere may stand without their colons."""
        self._names |= {name for name in names if len(name) > 2 and name.lower() not in COMMON and not name.isdigit()}
        self._macs |= {re.sub("[:-]", "", found[0]).lower() for found in _MAC.finditer(text)}
        self._finder = self._bytes = None

    def name(self, name: str) -> str:
        """What a machine is called now."""
        return self._pseudonyms.word(name) if name in self._names else name

    def put_on(self, text: str) -> str:
        """The text with everything in it replaced."""
        if self._finder is None:
            longest_first = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
            name = rf"(?<![A-Za-z0-9])(?:{longest_first or '(?!)'})(?![A-Za-z0-9])"
            parts = [f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()]
            text_of_all = "|".join([*parts, f"(?P<name>{name})"])
            self._finder = re.compile(text_of_all.replace(r"\2", "(?P=apart)").replace("([:-])", "(?P<apart>[:-])"))
        return self._finder.sub(self._replaced, text)

    def put_on_bytes(self, od_text: str) -> str:
        """The same for bytes as od prints them: of those only whole MACs that stand elsewhere as text."""
        if self._bytes is None:
            known = "|".join(r"\s+".join(re.findall("..", mac)) for mac in sorted(self._macs) if len(mac) == 12)
            self._bytes = re.compile(rf"\b(?:{known or '(?!)'})\b")
        return self._bytes.sub(self._replaced_bytes, od_text)

    def _replaced(self, match: re.Match[str]) -> str:
        text = match[0]
        kinds = {kind: match[kind] for kind in (*_PATTERNS, "name")}
        kind = next(kind for kind, found in kinds.items() if found is not None)
        match kind:
            case "key":
                start, _, key = text.partition("AAAA")
                return start + "AAAA" + self._pseudonyms.hexadecimal(key.encode().hex())[: len(key)]
            case "uuid":
                return self._uuid(text)
            case "mac":
                return self._mac(text)
            case "ipv4" | "ipv6":
                return self._address(text, kind)
            case "id":
                return self._id(text)
            case _:
                return self._pseudonyms.word(text)

    def _uuid(self, text: str) -> str:
        digits = self._pseudonyms.hexadecimal(text.replace("-", ""))
        version = text[14]
        found = f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{text[19]}{digits[17:20]}-{digits[20:]}"
        return found.upper() if text.isupper() else found

    def _mac(self, text: str) -> str:
        octets = self._pseudonyms.mac(tuple(int(part, 16) for part in re.split("[:-]", text)))
        found = text[2].join(f"{octet:02x}" for octet in octets)
        return found.upper() if text.isupper() else found

    def _address(self, text: str, kind: str) -> str:
        try:
            if kind == "ipv4":
                return str(ipaddress.IPv4Address(self._pseudonyms.ipv4(int(ipaddress.IPv4Address(text)))))
            return str(ipaddress.IPv6Address(self._pseudonyms.ipv6(int(ipaddress.IPv6Address(text)))))
        except ValueError:  # four numbers with dots, or hours, minutes and seconds
            return text

    def _id(self, text: str) -> str:
        if len(text) > 12:
            return self._pseudonyms.hexadecimal(text)
        if text.lower() not in self._macs:
            return text
        return self._mac(":".join(re.findall("..", text))).replace(":", "")

    def _replaced_bytes(self, match: re.Match[str]) -> str:
        mapped = iter(self._mac(":".join(match[0].split())).split(":"))
        return re.sub(r"[0-9a-f]{2}", lambda _: next(mapped), match[0])
