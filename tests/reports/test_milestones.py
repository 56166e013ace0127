"""What came back when, as a picture: text stays text, host text stays harmless, what did not come is told."""

from __future__ import annotations

from defusedxml.ElementTree import fromstring

from reports.milestones import MilestonesPicture, draw

LANES = [("kvm-1 stopped answering", 3.0), ("it answered again", 61.4), ("all 4 VFs of <b>&x\x1b were there", None)]


def texts(data: bytes) -> str:
    return "\n".join(fromstring(data).itertext())


def test_every_lane_has_its_name_and_its_time() -> None:
    drawn = draw(MilestonesPicture("a reboot", "s after it", LANES, (3.0, 61.4)))
    said = texts(drawn)
    for text in ("a reboot", "s after it", "kvm-1 stopped answering", "3 s", "61 s", "did not come", "<b>&x"):
        assert text in said
    assert "\x1b" not in said
    assert drawn == draw(MilestonesPicture("a reboot", "s after it", LANES, (3.0, 61.4)))


def test_nothing_that_came_is_a_picture_too() -> None:
    assert "did not come" in texts(draw(MilestonesPicture("", "", [("x", None)])))
    assert draw(MilestonesPicture("", "", LANES), "png").startswith(b"\x89PNG")
