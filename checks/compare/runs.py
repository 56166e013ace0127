"""Two run folders, read and laid side by side."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from checks.bundle import Bundle
from checks.compare.changes import Change, Shift, changes, shifts
from checks.compare.features import Features, features
from checks.outcome import CouldNotLook
from reports.results import Results
from reports.rows import Shape

BUNDLE_END = ".vfb.gz"


class NotARun(Exception):  # noqa: N818 - what it is
    """The folder is no run folder, or one that cannot be read. The text is one sentence."""


class Side(Shape):
    """One of the two runs."""

    folder: str
    started: datetime
    versions: dict[str, str] = Field(description="of vfproof and what it runs on")


class Comparison(Shape):
    """What two runs differ in."""

    format: Literal[1] = 1
    before: Side
    after: Side
    worse: bool = Field(description="whether any statement came out worse: then the exit status is 1")
    shifts: tuple[Shift, ...] = Field(description="statements that came out otherwise, the worst first")
    changes: tuple[Change, ...] = Field(description="facts that are not what they were")
    only_before: tuple[str, ...] = Field((), description="machines of which only the earlier run has a bundle")
    only_after: tuple[str, ...] = Field((), description="machines of which only the later run has a bundle")


def compare(before: Path, after: Path) -> Comparison:
    """Lay two run folders side by side. Raises `NotARun`."""
    old, new = _results(before), _results(after)
    bundles = _bundles(before), _bundles(after)
    both = [name for name in bundles[0] if name in bundles[1]]
    shifted = shifts(old.rows, new.rows)
    return Comparison(
        before=_side(before, old),
        after=_side(after, new),
        worse=any(one.verdict == "worse" for one in shifted),
        shifts=shifted,
        changes=tuple(change for name in both for change in _changed(name, bundles[0][name], bundles[1][name])),
        only_before=tuple(name for name in bundles[0] if name not in bundles[1]),
        only_after=tuple(name for name in bundles[1] if name not in bundles[0]),
    )


def _changed(name: str, before: Path, after: Path) -> Iterator[Change]:
    yield from changes(name, _features(name, before), _features(name, after))


def _features(name: str, path: Path) -> dict[str, Features | CouldNotLook]:
    try:
        return features(Bundle.load(path, name))
    except CouldNotLook as problem:
        return {"the bundle": problem}


def _results(folder: Path) -> Results:
    file = folder / "results.json"
    try:
        return Results.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise NotARun(
            f"{folder}: no results.json in it; name the folder of a run, as `./vfproof check` made it"
        ) from None
    except OSError as error:
        raise NotARun(f"{file}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise NotARun(f"{file}: not a results.json that this vfproof reads: {place}: {first['msg']}") from None


def _bundles(folder: Path) -> dict[str, Path]:
    """Bundles by the name of their file, which is the machine's (and its role where a host and a guest share one)."""
    found = sorted((folder / "bundles").glob(f"*{BUNDLE_END}"))
    return {path.name.removesuffix(BUNDLE_END): path for path in found}


def _side(folder: Path, results: Results) -> Side:
    return Side(folder=str(folder), started=results.run.started, versions=results.run.versions)
