"""A machine's features as a file of the run folder, so that a comparison need not parse a bundle again.

The bundle is the evidence and this file is derived: it says of which bundle and in which format, and where either is
another one, the bundle is read. So a run that holds no such file, or an old one, is compared all the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from checks.bundle import Bundle
from checks.compare.facts import FactOf, facts_of
from checks.compare.features import Section, features
from checks.compare.identity import NicIdentity, nics_of
from checks.facts.known import attempt
from checks.outcome import CouldNotLook
from reports.rows import Shape

FORMAT: Literal[1] = 1
"""Raise it whenever a feature is read otherwise, renamed, or new."""
FOLDER, END = "facts", ".json"
BUNDLE_FOLDER, BUNDLE_END = "bundles", ".vfb.gz"


class MachineFeatures(Shape):
    """What a machine is. A text in place of a list says why it could not be looked at."""

    format: Literal[1] = FORMAT
    bundle: str = Field(description="SHA-256 of the bundle's file")
    sections: dict[str, tuple[tuple[str, str, str], ...] | str] = Field(description="subject, property, value")
    nics: tuple[NicIdentity, ...] | str

    def section(self, name: str) -> Section | None:
        """One section; None when nobody asked the machine for it."""
        found = self.sections.get(name)
        if found is None:
            return None
        if isinstance(found, str):
            return CouldNotLook(found)
        return {(subject, what): value for subject, what, value in found}


def made(fact: FactOf, bundle: bytes) -> MachineFeatures:
    """The features of a machine whose bundle's file holds these bytes."""
    found, nics = features(fact), attempt(lambda: nics_of(fact))
    return MachineFeatures(
        bundle=hashlib.sha256(bundle).hexdigest(),
        sections={
            name: str(part) if isinstance(part, CouldNotLook) else tuple((*key, value) for key, value in part.items())
            for name, part in found.items()
        },
        nics=str(nics) if isinstance(nics, CouldNotLook) else nics,
    )


def file_of(bundle_file: str) -> str:
    """Where the features of a bundle lie in the run folder."""
    return f"{FOLDER}/{Path(bundle_file).name.removesuffix(BUNDLE_END)}{END}"


def read(folder: Path, name: str) -> MachineFeatures:
    """The features of one machine of a run. Raises CouldNotLook for a bundle that is none."""
    path = folder / BUNDLE_FOLDER / f"{name}{BUNDLE_END}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CouldNotLook(f"{path}: {error.strerror}") from None
    try:
        found = MachineFeatures.model_validate_json((folder / FOLDER / f"{name}{END}").read_bytes())
        if found.bundle == hashlib.sha256(data).hexdigest():
            return found
    except (OSError, ValidationError):
        pass  # derived data: the bundle has it
    return made(facts_of(Bundle.load(path)), data)
