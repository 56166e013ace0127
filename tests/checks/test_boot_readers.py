"""The readers of bytes and orders behind the next boot: hostile input ends soon, and in one kind of error."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bundle import Bundle, Truncated, UnexpectedOutput
from checks.facts import boot_parameters
from checks.gather import script
from checks.linux import acpi_tables, efi_variables, systemd_boot, uki
from checks.linux.kernel_parameters import obeys, parameter, split, unsafe_vfio
from checks.outcome import CouldNotLook
from checks.source import File
from checks.stream import Envelope
from tests.checks import boot_samples
from tests.checks.test_next_boot import EFI, IMAGE, SECTIONS, look, sdboot

B = "0" * 32
WHOLE = boot_samples.uki(SECTIONS)


@given(st.binary(max_size=600), st.integers(0, len(WHOLE)))
def test_uki_raises_only_its_own_error(noise, at):
    for data in (noise, b"MZ" + noise, WHOLE[:at] + noise + WHOLE[at + len(noise) :]):
        with contextlib.suppress(UnexpectedOutput):
            uki.read(data, "x.efi")


def test_uki_takes_no_more_than_it_should():
    with pytest.raises(UnexpectedOutput, match="claims 70000 bytes"):
        uki.read(boot_samples.uki([(".cmdline", "a" * 70_000)]), "x.efi")
    with pytest.raises(UnexpectedOutput, match="lies behind the 8192 bytes"):
        uki.read(boot_samples.uki(SECTIONS, stub=20_000)[:8192], "x.efi")
    many = bytearray(WHOLE)
    struct.pack_into("<H", many, 128 + 6, 65_535)
    with pytest.raises(UnexpectedOutput, match="claims 65535 sections"):
        uki.read(bytes(many), "x.efi")


@given(st.binary(max_size=300))
def test_efi_variables_and_tables_take_anything(data):
    for noise in (data, boot_samples.ATTRIBUTES + b"\1\0\0\0" + data):
        efi_variables.text(noise)
        efi_variables.numbers(noise)
        efi_variables.program(noise)
    for head in (b"", b"DMAR", b"IORT" + bytes(32)):
        for read in (acpi_tables.read_dmar, acpi_tables.has_smmu):
            with contextlib.suppress(UnexpectedOutput):
                read(head + data, "table")


def test_tables_say_what_they_say():
    assert boot_samples.dmar(1) == boot_samples.KVM_1_DMAR
    found = acpi_tables.read_dmar(boot_samples.dmar(0b101), "DMAR")
    assert (found.interrupt_remapping, found.x2apic_opt_out, found.opt_in) == (True, False, True)
    assert acpi_tables.has_smmu(boot_samples.iort(0, 2, 3), "IORT")
    assert not acpi_tables.has_smmu(boot_samples.iort(0, 1, 2), "IORT")
    endless = b"IORT" + bytes(32) + struct.pack("<II", 0xFFFFFFFF, 44) + bytes(100)
    with pytest.raises(UnexpectedOutput, match="a node of 0 bytes"):
        acpi_tables.has_smmu(endless, "IORT")


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        # the examples of the UAPI group's version format specification
        ("122.1", "123~rc1-1"),
        ("123~rc1-1", "123"),
        ("123", "123-a"),
        ("123-a", "123-a.1"),
        ("123-a.1", "123-1"),
        ("123-1", "123-1.1"),
        ("123-1.1", "123^post1"),
        ("123^post1", "123.a-1"),
        ("123.a-1", "123.1-1"),
        ("123.1-1", "123a-1"),
        ("123a-1", "124-1"),
        ("6.9", "6.12"),
        ("6.09", "6.10"),
    ],
)
def test_versions_are_ordered_as_specified(smaller, larger):
    assert systemd_boot.compare_versions(smaller, larger) < 0 < systemd_boot.compare_versions(larger, smaller)


@given(st.text(alphabet="019aZ~^.-_+ é", max_size=20), st.text(alphabet="019aZ~^.-_+ é", max_size=20))
def test_versions_have_one_order(one, other):
    assert systemd_boot.compare_versions(one, one) == 0
    there, back = systemd_boot.compare_versions(one, other), systemd_boot.compare_versions(other, one)
    assert (there > 0) == (back < 0) and (there == 0) == (back == 0)


@given(st.text(max_size=200), st.binary(max_size=100))
def test_any_text_in_any_place_raises_only_its_own_error(text, data):
    texts = [
        *sdboot(v6_12_3="x"),
        "/boot/efi/loader/loader.conf",
        "/etc/kernel/uki.conf",
        "/etc/kernelstub/configuration",
        "/etc/os-release",
        "/boot/config-6.12.107",
        "/boot/efi/EFI/redhat/grub.cfg",
    ]
    variables = (
        boot_samples.order(1)
        | boot_samples.boot_option(1, "/x")
        | boot_samples.loader(LoaderInfo="", LoaderEntryDefault="")
    )
    binaries = dict.fromkeys([IMAGE, *variables], data)
    files = {"/proc/cmdline": text} | dict.fromkeys(texts, text.replace("\r", "")) | binaries
    with contextlib.suppress(CouldNotLook):
        boot_parameters.parse(Bundle.of(files=files, names=EFI))


def test_hostile_files_end_within_a_second():
    entries = {
        f"/boot/efi/loader/entries/{number:04}.conf": "linux /x\nsort-key a\nversion " + "1." * 5000
        for number in range(300)
    }
    started = time.monotonic()
    look(entries | boot_samples.loader(LoaderInfo="systemd-boot 257", LoaderEntryDefault="*a" * 2000))
    systemd_boot.compare_versions("9" * 200_000, "9" * 200_001)
    efi_variables.program(boot_samples.ATTRIBUTES + b"\1\0\0\0\xff\xff" + b"\0\0" + b"\4\4\4\0" * 60_000)
    look({"/etc/kernelstub/configuration": "[" * 200_000, "/proc/cmdline": '"' * 200_000})
    look({"/etc/dracut.conf.d/a.conf": "kernel_cmdline=" + " " * 100_000 + "\n" * 1000, IMAGE: WHOLE})
    assert time.monotonic() - started < 4  # four of them


@pytest.mark.parametrize(
    ("line", "wanted", "there"),
    [
        ("hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=512", "hugepages=4", True),
        ("default_hugepagesz=1G default_hugepagesz=2M", "default_hugepagesz=1G", False),
        ("intel_iommu=on,sm_on", "intel_iommu=on", True),
        ("intel_iommu=on intel_iommu=off", "intel_iommu=on", False),
        ("pci=realloc pci=noaer", "pci=realloc", True),
        ("nosmt", "nosmt", True),
        ("nosmt=force", "nosmt", False),
        ("intel-iommu=on", "intel_iommu=on", True),
        ("Intel_iommu=on", "intel_iommu=on", False),
        ("rd.lvm.lv=a rd.lvm.lv=b", "rd.lvm.lv=a", True),
        ("quiet -- iommu=pt", "iommu=pt", False),
    ],
)
def test_obeys(line, wanted, there):
    assert obeys(split(line), parameter(wanted)) is there


def test_unsafe_vfio_knows_what_is_true():
    line = (
        "vfio-iommu-type1.allow_unsafe_interrupts=on vfio.enable_unsafe_noiommu_mode=0 vfio.enable_unsafe_noiommu_mode"
    )
    allowed, _, noiommu = line.split()
    assert unsafe_vfio(split(line)) == (allowed, noiommu)


@pytest.mark.parametrize("size", [1_000, 5_000_000])
def test_of_a_large_image_only_the_head_travels(tmp_path, size):
    data = boot_samples.uki([*SECTIONS, (".initrd", bytes(size))])
    (tmp_path / "a.efi").write_bytes(data)
    source = File(f"{tmp_path}/*.efi", binary=True, head=True, limit_bytes=65_536)
    text = script([source], B, sudo=False)
    answer = subprocess.run(["sh", "-c", 'eval "$(cat)"'], input=text, capture_output=True, check=True).stdout
    bundle = Bundle(Envelope("h", datetime.now(UTC), B, (source,)), answer)
    ((path, head),) = bundle.binaries(source.path).items()
    assert head == data[:65_536]
    assert uki.read(head, path).command_line == "root=UUID=1 ro intel_iommu=on"
    whole = Bundle(Envelope("h", datetime.now(UTC), B, (replace(source, head=False),)), answer)
    if size > 65_536:
        with pytest.raises(Truncated):
            whole.binaries(source.path)
