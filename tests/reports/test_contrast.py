"""Text on the page can be read: WCAG 2.2, 1.4.3 (AA): 4.5 to 1, light and dark."""

import re
from pathlib import Path

import pytest

import checks.readable
import reports

SHEETS = {
    "the report": Path(reports.__file__).with_name("assets") / "report.css",
    "a bundle": Path(checks.readable.__file__).with_name("page.css"),
}
PAIRS = {
    "the report": [
        *((ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "panel")),
        *((name, f"{name}-soft") for name in ("broken", "unknown", "advice", "holds")),
        *(("bright", name) for name in ("broken", "unknown", "holds", "soft")),
        ("soft", "none-soft"), ("advice", "paper"), ("unknown", "paper"),
    ],
    "a bundle": [("ink", "paper"), ("ink", "panel"), ("soft", "paper"), ("link", "paper"), ("warn", "paper")],
}  # fmt: skip


def palettes(sheet):
    """The colours by name, light and then dark: what dark does not name stays as it is."""
    text = SHEETS[sheet].read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", block))
                   for block in re.findall(r":root \{(.*?)\}", text, re.DOTALL)[:2])  # fmt: skip
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_stands_out_from_its_ground(sheet, mode):
    colours = palettes(sheet)[mode]
    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in PAIRS[sheet]}
    assert not {pair: ratio for pair, ratio in found.items() if ratio < 4.5}


def test_the_ratio_is_that_of_the_standard():
    assert contrast("#000000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
