"""One run folder, read: what came out, what the machines were, what was wanted and what drills measured.

NotARun   the folder is no run folder, or no whole one, or a newer vfproof's; the text is one sentence
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from checks.compare import drills, inventories, kept
from checks.compare.inventories import Wishes
from checks.compare.kept import BUNDLE_END, BUNDLE_FOLDER, MachineFeatures
from checks.compare.timings import Series, Values
from checks.facts.known import attempt
from checks.outcome import CouldNotLook
from reports.results import FORMAT, Results


class NotARun(Exception):  # noqa: N818 - what it is
    """The folder is no run folder, or one that cannot be compared. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A whole run. `bundles`: whose each of its bundles is, by the name of the file."""

    folder: Path
    results: Results
    bundles: Mapping[str, str]

    @classmethod
    def at(cls, folder: Path) -> StoredRun:
        """Read the folder's results. Raises `NotARun`."""
        results = _results(folder)
        if results.state == "running":
            raise NotARun(
                f"{folder}: this run is still going on, or was killed before its end, so not everything was judged; "
                "compare whole runs"
            )
        if results.state == "interrupted":
            raise NotARun(
                f"{folder}: this run did not come to its end ({results.run.ended_by}), so not everything was judged; "
                "compare whole runs"
            )
        judged = {row.machine for row in results.rows}
        names = sorted(path.name.removesuffix(BUNDLE_END) for path in (folder / BUNDLE_FOLDER).glob(f"*{BUNDLE_END}"))
        return cls(folder, results, {name: _whose(name, judged) for name in names})

    @property
    def machines(self) -> frozenset[str]:
        """Every machine that it judged or looked at, a guest as well as a host."""
        return frozenset({row.machine for row in self.results.rows if row.machine} | set(self.bundles.values()))

    @property
    def host_of(self) -> dict[str, str]:
        """The host of every guest that stands under one."""
        return {guest: machine.name for machine in self.results.machines for guest in machine.guests}

    def features(self, name: str) -> MachineFeatures | CouldNotLook:
        """What one machine was, or why that is not known."""
        return attempt(lambda: kept.read(self.folder, name))

    def wishes(self) -> Wishes | CouldNotLook:
        """What its inventory wants."""
        name = self.results.run.inventory
        if name is None:
            return CouldNotLook(f"{self.folder}: this run kept no inventory")
        return attempt(lambda: inventories.read(self.folder, name))

    def measured(self) -> dict[Series, Values] | CouldNotLook:
        """What its drills measured."""
        return attempt(lambda: drills.measured(self.folder))


def _whose(name: str, judged: Set[str]) -> str:
    """A host and a guest of one name have a file each, with the role behind it."""
    alone = name.removesuffix("-host").removesuffix("-guest")
    return alone if name not in judged and alone in judged else name


def _results(folder: Path) -> Results:
    file = folder / "results.json"
    try:
        text = file.read_bytes()
        data = json.loads(text)
    except FileNotFoundError:
        raise NotARun(
            f"{folder}: no results.json in it; name the folder of a run, as `./vfproof check` made it"
        ) from None
    except OSError as error:
        raise NotARun(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NotARun(f"{file}: not JSON, so this is no whole run") from None
    made_as = data.get("format") if isinstance(data, dict) else None
    if isinstance(made_as, int) and made_as > FORMAT:
        raise NotARun(
            f"{folder}: this run was made by a newer vfproof (format {made_as}; this one reads up to {FORMAT}); "
            "use that one, or a newer"
        )
    try:
        return Results.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise NotARun(f"{file}: not a results.json that this vfproof reads: {place}: {first['msg']}") from None
