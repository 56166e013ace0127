import re
from datetime import UTC, datetime

import defusedxml.ElementTree
import pytest

from reports.figure import Mark, TimelinePicture, add_figure, draw
from reports.run_folder import RunFolder

PICTURE = TimelinePicture(
    title="guest-1 bond0: ens1 → ens2",
    probes=[(ms, not 3 <= ms < 214) for ms in range(-1000, 3000, 5)],
    gap=(0.0, 215.0),
    marks=[
        Mark(0, "switch", "switch"),
        (-0.4, "marker", "marker frame"),
        (1.2, "garp", "untagged 10.0.0.2"),
        (201.3, "garp", "untagged 10.0.0.2"),
        (1.4, "garp", "VLAN 100 10.0.100.2"),
        (1.5, "na", "untagged fe80::1"),
        (-300, "mac", "52:54:00:aa:bb:01"),
        (1.2, "mac", "52:54:00:aa:bb:02"),
    ],
)


def texts(picture):
    root = defusedxml.ElementTree.fromstring(draw(picture))
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_series_is_named_and_its_text_is_text():
    shown = texts(PICTURE)
    for expected in (
        "guest-1 bond0: ens1 → ens2",
        "gap 215.0 ms",
        "GARP untagged 10.0.0.2",
        "GARP VLAN 100 10.0.100.2",
        "NA untagged fe80::1",
        "52:54:00:aa:bb:01",
        "52:54:00:aa:bb:02",
        "758 of 800 probes answered",
        "42 of 800 probes lost",
        "switch",
        "marker frame",
        "ms relative to the switch",
    ):
        assert expected in shown


def test_nothing_is_claimed_of_the_time_before_the_first_mac():
    known_after = TimelinePicture("late", marks=[(50, "mac", "52:54:00:aa:bb:02")], window=(-100, 100))
    known_before = TimelinePicture("late", marks=[(-100, "mac", "52:54:00:aa:bb:02")], window=(-100, 100))
    assert len(bars(known_after)) == len(bars(known_before)) == 1
    assert bars(known_after)[0] < bars(known_before)[0] / 3


def test_a_change_to_a_lower_mac_is_drawn_in_order_of_time():
    there = TimelinePicture("x", marks=[(-90, "mac", "52:54:00:aa:bb:02"), (50, "mac", "52:54:00:aa:bb:01")])
    back = TimelinePicture("x", marks=[(-90, "mac", "52:54:00:aa:bb:01"), (50, "mac", "52:54:00:aa:bb:02")])
    assert bars(there) == bars(back)


def bars(picture):
    """Widths of the filled bars in the drawing, in points."""
    root = defusedxml.ElementTree.fromstring(draw(picture))
    found = []
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        if "opacity: 0.9" in path.get("style", ""):
            xs = [float(number) for number in re.findall(r"[ML] ([-0-9.]+) ", path.get("d", ""))]
            found.append(max(xs) - min(xs))
    return found


def test_thousands_of_probes_stay_a_small_file():
    many = TimelinePicture("many", probes=[(ms / 2, ms % 7 != 0) for ms in range(20_000)])
    assert len(draw(many)) < 2_000_000


@pytest.mark.parametrize(
    "picture",
    [
        TimelinePicture("nothing at all"),
        TimelinePicture("all lost", probes=[(ms, False) for ms in range(100)]),
        TimelinePicture("no gap", probes=[(ms, True) for ms in range(100)], marks=[(0, "switch", "")]),
        TimelinePicture("one MAC only", marks=[(0, "mac", "52:54:00:aa:bb:01")], window=(-10, 10)),
    ],
    ids=lambda picture: picture.title,
)
def test_a_drill_that_saw_little_is_drawn_too(picture):
    assert picture.title in texts(picture)


def test_hostile_text_is_harmless():
    name = "<script>$x_$\x1b\0\ud800日" + "x" * 10_000
    shown = texts(TimelinePicture(name, marks=[(0, "garp", name), (0, "mac", name), (0, "switch", name)]))
    assert any(text.startswith("<script>$x_$\\x1b\\x00\\ud800\\u65e5xxx") for text in shown)
    assert all(len(text) < 200 for text in shown)


def test_both_forms_go_into_the_run_folder(tmp_path):
    folder = RunFolder.create(tmp_path, datetime.now(UTC))
    assert add_figure(folder, "drills/guest-1", PICTURE) == "drills/guest-1.svg"
    assert (folder.path / "drills/guest-1.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (folder.path / "drills/guest-1.svg").read_bytes()


def test_the_same_drill_gives_the_same_file():
    assert draw(PICTURE) == draw(PICTURE)
