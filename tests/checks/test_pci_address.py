"""PCI addresses: spelled, ordered, and where VFs must be (82576 under QEMU: offset 128, stride 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.linux.pci_address import PciAddress, sort_key, vf_address


@pytest.mark.parametrize("text", ["0000:3d:00.1", "0001:00:1f.7", "10000:00:00.0"])
def test_parse_and_str_are_inverse(text):
    assert str(PciAddress.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "3d:00.1", "0000:3d:20.0", "0000:3d:00.8", "0000:3d:00.1 ", "0000:3d:00.1\n", "eth0"]
)
def test_parse_refuses_what_the_kernel_never_prints(text):
    assert PciAddress.parse(text) is None


def test_vf_address_crosses_the_bus():
    pf, last = PciAddress(0, 0x0301), PciAddress(0, 0xFFFF)
    assert str(pf) == "0000:03:00.1"
    assert str(vf_address(pf, 6, 128, 2)) == "0000:03:11.5"
    assert str(vf_address(pf, 0, 256, 2)) == "0000:04:00.1"
    assert vf_address(last, 0, 1, 1) is None


@given(st.text(max_size=20))
def test_sort_key_orders_anything(text):
    assert sort_key("0000:02:00.0") < sort_key("0000:10:00.0")
    assert sort_key("0000:10:00.0") < sort_key(f"{text}?")
