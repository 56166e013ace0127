"""`demo upgrade` and `demo upgrade-guest`: accept, upgrade, reboot, accept again, compare, in an embedded lab."""

from __future__ import annotations

import os
from pathlib import Path

from door.children import run
from door.progress import say
from door.runs import everything_in_the_lab, python
from door.words import Words

TOPOLOGIES = ("upgrade", "upgrade-guest")
INSIDE = "_upgrade-inside"  # the door's own command for the part that runs while the lab is up
SAYS = "accept, upgrade, reboot, accept again, compare"
PAGES = {
    "before/report.html": "the report before the upgrade",
    "after/report.html": "the report after it",
    "comparison.html": "what changed",
}
_DIED = 128  # and more: it was told to end


def inside(words: Words) -> int:
    """Both acceptances with the upgrade between them, and their comparison. The status is the worst news there is.

    An acceptance that fails does not keep the rest from being done: the comparison tells what the upgrade has to do
    with it. An upgrade that fails does.
    """
    folder = Path(words.value_of("--run-folder") or ".")
    statuses = [_accept(words, folder / "before", "before the upgrade")]
    if statuses[0] >= _DIED:
        return statuses[0]
    upgraded = run(python("lab", "upgrade", "--name", os.environ["VFPROOF_LAB"]))
    if upgraded != 0:
        return upgraded
    statuses.append(_accept(words, folder / "after", "after the upgrade"))
    if statuses[1] >= _DIED:
        return statuses[1]
    statuses.append(_compare(folder))
    return next((status for status in statuses if status != 0), 0)


def _accept(words: Words, folder: Path, when: str) -> int:
    command = everything_in_the_lab(INSIDE, [*words.options, f"--run-folder={folder}"])
    say(f"acceptance {when}")
    return run(command)


def _compare(folder: Path) -> int:
    say("what changed between the two:")
    pages = ["--html", str(folder / "comparison.html"), "--json", str(folder / "comparison.json")]
    return run(python("checks.compare", str(folder / "before"), str(folder / "after"), *pages))
