"""Kernel parameters as lib/cmdline.c and the IOMMU drivers of Linux 6.12 read them; the first ones measured in a VM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.linux import kernel_parameters as parameters


@pytest.mark.parametrize(
    ("command_line", "switch"),
    [
        ("intel_iommu=on intel_iommu=off", "off"),
        ("intel_iommu=off intel_iommu=on", "on"),
        ("intel-iommu=off", "off"),
        ("intel_iommu=ON", None),
        ("intel_iommu=only", "on"),
        ("intel_iommu=igfx_off,sm_on", None),
        ("intel_iommu=sp_off,on,strict", "on"),
        ("intel_iommu=on,off", "off"),
        ("intel_iommu", None),
        ("intel_iommu=", None),
        ("amd_iommu=on iommu=pt", None),
        ('"intel_iommu=on"', "on"),
        ('intel_iommu="on"', "on"),
        ('dyndbg="file a intel_iommu=on"', None),
        ("quiet -- intel_iommu=on", None),
        ("xintel_iommu=on", None),
    ],
)
def test_intel_iommu(command_line, switch):
    assert parameters.intel_iommu(parameters.split(command_line)) == switch


def test_iommu_and_amd_iommu_cannot_be_taken_back():
    assert parameters.iommu_off(parameters.split("iommu=off iommu=force"))
    assert parameters.iommu_off(parameters.split("iommu=pt,off"))
    assert not parameters.iommu_off(parameters.split("iommu=noforce,pt intel_iommu=off iommu.passthrough=1"))
    assert parameters.amd_iommu_off(parameters.split("amd_iommu=fullflush,off"))
    assert not parameters.amd_iommu_off(parameters.split("amd_iommu=on"))


def test_intremap_lets_the_last_word_win():
    assert parameters.intremap(parameters.split("intremap=off intremap=nosid,on")) == "on"
    assert parameters.intremap(parameters.split("intremap=nosid,no_x2apic_optout")) is None


def test_isolation_weakened_names_the_parameters():
    line = "pcie_acs_override=downstream pci=realloc,disable_acs_redir=0000:00:1c.0 pci=noaer"
    assert parameters.isolation_weakened(parameters.split(line)) == tuple(line.split()[:2])


@given(st.text(max_size=80))
def test_split_takes_anything_and_loses_no_word(text):
    assert [p.text for p in parameters.split(text)] == parameters.words(text)[: len(parameters.split(text))]
