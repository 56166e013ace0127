"""A sosreport that Debian's own package makes on kvm-1, judged beside a gather of the same machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import session
from lab.session import Lab
from tests.lab import sos_package
from tests.lab.test_catalogue_acceptance import judge

pytestmark = [pytest.mark.lab, pytest.mark.long]
TOPOLOGY = Path(__file__).parent / "udev_host.yaml"
# Of each area a statement that rests on another of its files.
TOLD = {
    "test_every_pf_has_the_wanted_number_of_vfs",
    "test_every_vf_is_alone_in_its_iommu_group",
    "test_interrupt_remapping_is_on",
    "test_iommu_is_effective_after_the_next_boot",
    "test_no_vf_is_promised_twice",
    "test_vf_macs_are_set_and_unique",
    "test_the_kernel_reports_no_sriov_trouble",
    "test_host_bonds_have_link",
}


@pytest.fixture(scope="module")
def host() -> Iterator[Lab]:
    with session.running(str(TOPOLOGY)) as lab:
        # Its devices are the guest's, and it takes no time: what libvirt says of it is all that counts.
        lab.output("kvm-1", "virsh -q start guest-1 && virsh -q suspend guest-1", timeout_s=300)
        yield lab


def test_a_sosreport_says_the_same_or_nothing(host, tmp_path):
    sos_package.install(host, "kvm-1", tmp_path / "apt")
    (tmp_path / "bundles").mkdir()
    sos_package.report(host, "kvm-1", tmp_path / "bundles/kvm-1.tar.gz")
    live = judge(tmp_path / "live", "-i", str(host.inventory))
    told = judge(tmp_path / "told", "-i", str(host.inventory), "--bundles", str(tmp_path / "bundles"))
    unknown = told.with_outcome("could not look")
    assert live.rows.keys() == told.rows.keys()
    differing = {
        name for name in told.rows.keys() - unknown if told.rows[name]["outcome"] != live.rows[name]["outcome"]
    }
    assert not differing
    assert told.rows.keys() - unknown >= TOLD
    assert all("not in the sosreport" in told.rows[name]["message"] for name in unknown)
