"""A pcap stream in whatever pieces, cut into files that are whole by themselves."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from scapy.utils import PcapReader, RawPcapWriter

from failover.pcap_files import PcapFiles


class Kept(io.BytesIO):
    """A file whose bytes outlive it."""

    written = b""

    def close(self) -> None:
        if not self.closed:
            self.written = self.getvalue()
        super().close()


def stream(packets: list[Packet], *, big: bool = False, nano: bool = False) -> bytes:
    file = Kept()
    writer = RawPcapWriter(file, linktype=1, endianness=">" if big else "<", nano=nano)
    writer.write(cast("Any", [bytes(packet) for packet in packets]))
    writer.close()
    return file.written


def frame(number: int) -> Packet:
    return Ether() / ARP(op=1, psrc=f"10.0.0.{number}", pdst=f"10.0.0.{number}")


def addresses(data: bytes) -> list[str]:
    return [packet[ARP].psrc for packet in PcapReader(cast("Any", io.BytesIO(data)))]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("nano", [False, True])
def test_each_round_is_a_file_of_its_own(big: bool, nano: bool) -> None:
    whole = stream([frame(number) for number in range(1, 7)], big=big, nano=nano)
    record = (len(whole) - 24) // 6
    files = [Kept() for _ in range(3)]
    with PcapFiles(files[0]) as cut:
        cut.write(whole[: 24 + 2 * record + 5])  # two records, and the beginning of the third
        cut.go_on_in(files[1])
        cut.write(whole[24 + 2 * record + 5 : 24 + 5 * record])
        cut.go_on_in(files[2])
        cut.write(whole[24 + 5 * record :])
    told = [addresses(file.written) for file in files]
    assert told == [["10.0.0.1", "10.0.0.2"], ["10.0.0.3", "10.0.0.4", "10.0.0.5"], ["10.0.0.6"]]
    assert files[2].written[:24] == whole[:24]


def test_a_round_without_a_frame_is_an_empty_capture() -> None:
    files = [Kept(), Kept(), Kept()]
    with PcapFiles(files[0]) as cut:
        cut.write(stream([frame(1)]))
        cut.go_on_in(files[1])
        cut.go_on_in(files[2])
    assert [addresses(file.written) for file in files] == [["10.0.0.1"], [], []]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60))
def test_pieces_do_not_matter(sizes: list[int]) -> None:
    whole, file = stream([frame(number) for number in range(1, 5)]), Kept()
    with PcapFiles(file) as cut:
        at = 0
        for size in sizes:
            cut.write(whole[at : at + size])
            at += size
        cut.write(whole[at:])
    assert file.written == whole


@given(st.binary(max_size=400))
def test_whatever_comes_is_kept(data: bytes) -> None:
    file = Kept()
    with PcapFiles(file) as cut:
        cut.write(data)
    assert file.written == data
