"""The predictor against the names that real guests were given (systemd 252 and 257, QEMU 10.0.2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.linux.nic_names import (
    Confidence,
    Controller,
    Layout,
    Place,
    Prediction,
    bus_numbers,
    predict,
    same_name,
)

I440FX = "pc-i440fx-10.0"
Q35 = "pc-q35-10.0"


def foretold(layout, nics, scheme) -> list[Prediction]:
    """Predictions for NICs that all have one."""
    found = predict(layout, nics, scheme)
    assert None not in found
    return [one for one in found if one]


def name(layout, place, acpi_index=None, scheme="v252"):
    [prediction] = foretold(layout, [(place, acpi_index)], scheme)
    return prediction.name


def pc(*controllers):
    return Layout(I440FX, controllers, video=Place(0, 2))


def q35(*controllers):
    return Layout(Q35, controllers)


BRIDGE = Controller(1, "pci-bridge", Place(0, 5))
PORT_1 = Controller(1, "pcie-root-port", Place(0, 2, 0, multifunction=True))
PORT_2 = Controller(2, "pcie-root-port", Place(0, 2, 1))


@pytest.mark.parametrize("scheme", ["v238", "v252", "v255", "v257"])
def test_what_booted_guests_showed(scheme):
    assert name(pc(), Place(0, 3), scheme=scheme) == "ens3"
    assert name(pc(), Place(0, 4, 0, multifunction=True), scheme=scheme) == "ens4f0"
    assert name(pc(), Place(0, 4, 1), scheme=scheme) == "ens4f1"
    assert name(q35(PORT_1, PORT_2), Place(1, 0), scheme=scheme) == "enp1s0"
    assert name(q35(PORT_1, PORT_2), Place(2, 0), scheme=scheme) == "enp2s0"
    assert name(q35(), Place(0, 3), scheme=scheme) == "enp0s3"
    to_pci = Controller(2, "pcie-to-pci-bridge", Place(1, 0))
    assert name(q35(PORT_1, to_pci), Place(2, 1), scheme=scheme) == "ens1"
    assert name(q35(Controller(1, "dmi-to-pci-bridge", Place(0, 30))), Place(1, 2), scheme=scheme) == "ens2"


@pytest.mark.parametrize("layout", [pc(BRIDGE), q35(PORT_1)])
def test_an_acpi_index_wins_over_everything(layout):
    assert name(layout, Place(1, 0), acpi_index=4) == "eno4"


def test_the_bridge_slots_that_the_root_bus_does_not_own_name_the_nic():
    assert name(pc(BRIDGE), Place(1, 1)) == "ens1"  # PIIX3 sits in slot 1 and cannot be unplugged
    assert name(pc(BRIDGE), Place(1, 2)) == "ens2"  # the primary video device
    assert name(pc(BRIDGE), Place(1, 5)) == "ens5"  # the bridge itself
    assert name(pc(BRIDGE), Place(1, 3)) == "enp1s3"


def test_a_slot_used_on_two_buses_collides_from_v257():
    before = foretold(pc(BRIDGE), [(Place(0, 3), None), (Place(1, 3), None)], "v255")
    after = foretold(pc(BRIDGE), [(Place(0, 3), None), (Place(1, 3), None)], "v257")
    assert [one.name for one in before] == ["ens3", "enp1s3"]
    assert not any(one.collides for one in before)
    assert [one.name for one in after] == ["ens3", "ens3"]
    assert all(one.collides and one.confidence is Confidence.LOW for one in after)


def test_an_acpi_index_cures_the_collision():
    after = foretold(pc(BRIDGE), [(Place(0, 3), 1), (Place(1, 3), 2)], "v257")
    assert [one.name for one in after] == ["eno1", "eno2"]
    assert not any(one.collides for one in after)


def test_numbers_are_decimal():
    assert name(q35(), Place(0, 0x1F)) == "enp0s31"
    assert name(pc(), Place(0, 0x10)) == "ens16"


def test_buses_are_counted_by_place_not_by_index():
    swapped = q35(Controller(1, "pcie-root-port", Place(0, 4)), Controller(2, "pcie-root-port", Place(0, 3)))
    assert bus_numbers(swapped) == {0: 0, 2: 1, 1: 2}
    [prediction] = foretold(swapped, [(Place(1, 0), None)], "v252")
    assert prediction.name == "enp2s0"
    assert prediction.confidence is Confidence.MEDIUM


def test_nested_bridges_are_counted_depth_first():
    tree = q35(
        PORT_1, PORT_2, Controller(3, "pcie-to-pci-bridge", Place(1, 0)), Controller(4, "pci-bridge", Place(3, 1))
    )
    assert bus_numbers(tree) == {0: 0, 1: 1, 3: 2, 4: 3, 2: 4}


def test_the_other_name_is_told_too():
    [prediction] = foretold(pc(), [(Place(0, 3), None)], "v252")
    assert prediction.others == ("enp0s3",)


def test_no_place_gives_no_name():
    assert predict(pc(), [(None, None), (Place(9, 1), None)], "v252") == [None, None]


@pytest.mark.parametrize(
    "layout",
    [
        Layout("virt-9.2", (PORT_1,)),
        q35(PORT_1, Controller(2, "pcie-expander-bus", Place(0, 9))),
        q35(Controller(1, "a-new-kind", Place(0, 9))),
    ],
)
def test_what_was_never_measured_is_of_low_confidence(layout):
    [prediction] = foretold(layout, [(Place(1, 0), None)], "v252")
    assert prediction.confidence is Confidence.LOW


def test_a_driver_may_add_its_port():
    assert same_name("enp1s0np0", "enp1s0")
    assert same_name("enp1s0d1", "enp1s0")
    assert not same_name("enp1s0f0", "enp1s0")
    assert not same_name("enp1s01", "enp1s0")


places = st.none() | st.builds(Place, *[st.integers(0, 40)] * 3, st.booleans(), st.integers(0, 2))
models = st.sampled_from(["pcie-root-port", "pci-bridge", "pcie-to-pci-bridge", "pci-root", "x", "pcie-expander-bus"])
layouts = st.builds(
    Layout,
    st.sampled_from([I440FX, Q35, "", "virt"]),
    st.lists(st.builds(Controller, st.integers(0, 40), models, places)).map(tuple),
    places,
)


@settings(deadline=None)  # the machine may be busy
@given(layouts, st.lists(st.tuples(places, st.none() | st.integers(0, 9))), st.sampled_from([None, "v252", "v257"]))
def test_any_layout_gets_an_answer_per_nic(layout, nics, scheme):
    assert len(predict(layout, nics, scheme)) == len(nics)


def test_a_chain_of_thousands_of_bridges_is_no_trouble():
    chain = tuple(Controller(n + 1, "pci-bridge", Place(n, 1)) for n in range(20_000))
    assert len(bus_numbers(Layout(I440FX, chain))) == 20_001
