"""Configuration space with an SR-IOV capability, as an emulated 82576 shows it."""

from __future__ import annotations

# Read on kvm-1 (QEMU's igb, two VFs) with od; what is left out is zero. AER at 0x100, ARI at 0x150, SR-IOV at 0x160.
_IGB = {
    0x000: "86 80 c9 10 07 05 10 00 01 00 00 02 00 00 00 00",
    0x100: "01 00 01 15 00 00 00 00 00 00 40 02 30 20 46 00",
    0x150: "0e 00 01 16 00 00 00 00 00 00 00 00 00 00 00 00",
    0x160: "10 00 01 00 00 00 00 00 19 00 00 00 08 00 08 00",
    0x170: "02 00 00 00 80 00 02 00 00 00 ca 10 53 05 00 00",
    0x180: "01 00 00 00 0c 00 80 fe 00 00 00 00 00 00 00 00",
    0x190: "0c 00 82 fe 00 00 00 00 00 00 00 00 00 00 00 00",
}


def sriov_config(total: int = 8, vendor: int = 0x8086) -> bytes:
    """4096 bytes of it, with another TotalVFs."""
    data = bytearray(4096)
    for at, text in _IGB.items():
        row = bytes.fromhex(text)
        data[at : at + len(row)] = row
    data[0:2] = vendor.to_bytes(2, "little")
    data[0x16E:0x170] = total.to_bytes(2, "little")
    return bytes(data)
