"""Names and addresses replaced by others: the same by the same, different by different, and kinship kept.

    MAC        the vendor's half (with its local and multicast bits) stays; the rest is permuted
    IPv4       the class of the network stays, prefixes are kept (Crypto-PAn's way), and so is the last byte
    IPv6       the kind stays, the network's prefixes are kept, the interface's half is permuted; one made of a MAC
               is made of that MAC's replacement
    UUID, long hexadecimal ids, SSH keys, names: replaced by others of the same length and form

One random key per set: without it nothing leads back, and two sets cannot be compared.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from functools import cache

_ROUNDS = 6
_KEPT_IPV4 = (("127.0.0.0/8", 32), ("10.0.0.0/8", 8), ("172.16.0.0/12", 12), ("192.168.0.0/16", 16))
_KEPT_IPV4_MORE = (("169.254.0.0/16", 16), ("224.0.0.0/3", 32), ("0.0.0.0/8", 32))
_KEPT_IPV6 = (("fe80::/10", 64), ("ff00::/8", 128), ("::/96", 128), ("fc00::/7", 8), ("2000::/3", 3))


class Pseudonyms:
    """One set's replacements."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self.mac = cache(self._mac)
        self.ipv4 = cache(self._ipv4)
        self.ipv6 = cache(self._ipv6)
        self.hexadecimal = cache(self._hexadecimal)
        self.word = cache(self._word)

    def _number(self, purpose: str, value: int, below: int) -> int:
        """A number that nobody can tell without the key."""
        digest = hmac.new(self._key, f"{purpose}:{value}".encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:16], "big") % below

    def _permuted(self, purpose: str, value: int, bits: int) -> int:
        """A permutation of all numbers of so many bits (Feistel's): two different ones stay different."""
        half = bits // 2
        left, right = value >> half, value & ((1 << half) - 1)
        for turn in range(_ROUNDS):
            left, right = right, left ^ self._number(f"{purpose}/{turn}", right, 1 << half)
        return left << half | right

    def _prefixed(self, purpose: str, value: int, bits: range, width: int) -> int:
        """Each of the bits turned or not as those before it say: what shared a prefix still shares it, and no more."""
        for bit in bits:
            before = value >> (width - bit)
            turned = self._number(f"{purpose}/{bit}", before, 2)
            value ^= turned << (width - 1 - bit)
        return value

    def _mac(self, octets: tuple[int, ...]) -> tuple[int, ...]:
        vendor, rest = octets[:3], int.from_bytes(bytes(octets[3:]), "big")
        if set(octets) <= {0} or set(octets) <= {255} or octets[:2] == (0x33, 0x33) or vendor == (1, 0, 0x5E):
            return octets
        bits = 8 * len(octets[3:])
        mapped = self._permuted(f"mac/{bytes(vendor).hex()}/{len(octets)}", rest, bits)
        return (*vendor, *mapped.to_bytes(len(octets) - 3, "big"))

    def _ipv4(self, value: int) -> int:
        address = ipaddress.IPv4Address(value)
        kept = next((n for net, n in (*_KEPT_IPV4, *_KEPT_IPV4_MORE) if address in ipaddress.IPv4Network(net)), 0)
        return self._prefixed("ipv4", value, range(kept, 24), 32)

    def _ipv6(self, value: int) -> int:
        address = ipaddress.IPv6Address(value)
        kept = next((n for net, n in _KEPT_IPV6 if address in ipaddress.IPv6Network(net)), 3)
        if kept == 128:
            return value
        network = self._prefixed("ipv6", value >> 64, range(kept, 64), 64)
        return network << 64 | self._interface(value & ((1 << 64) - 1))

    def _interface(self, half: int) -> int:
        octets = half.to_bytes(8, "big")
        if octets[3:5] == b"\xff\xfe":
            mac = self.mac((octets[0] ^ 2, *octets[1:3], *octets[5:]))
            return int.from_bytes(bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:])), "big")
        if half < 1 << 16:  # ::1, ::21: numbers that a person gave
            return half
        return self._permuted("interface", half, 64)

    def _hexadecimal(self, digits: str) -> str:
        """As many other digits."""
        found = hmac.new(self._key, b"hex:" + digits.lower().encode(), hashlib.sha512).hexdigest()
        return (found * (len(digits) // len(found) + 1))[: len(digits)]

    def _word(self, word: str) -> str:
        """A name of the same length, as far as that can be told from others: a letter, then letters and digits."""
        found = hmac.new(self._key, b"word:" + word.lower().encode(), hashlib.sha512).hexdigest()
        return "h" + found[: max(len(word) - 1, 5)]
