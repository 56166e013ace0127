"""What a run writes down of a machine, once: words for the top of the report, its page to read, what runs compare."""

from __future__ import annotations

from functools import partial

import pytest

from checks.compare import kept
from checks.machines import Machines, Who
from checks.readable.evidence import keep_readable
from checks.told_machine import told_of_guest, told_of_host
from reports.run_folder import MACHINE_FACTS, NOTED, READINGS, RUN_FOLDER, RunFolder


def note(stash: pytest.Stash, machines: Machines, who: Who) -> None:
    """Write it down, unless that is done. Raises CouldNotLook."""
    done, file = stash.setdefault(NOTED, {}), machines.bundle_file(who)
    if file in done:
        return
    with machines.aside():
        told = told_of_host if who[0] == "host" else told_of_guest
        stash.setdefault(MACHINE_FACTS, {})[who[1]] = told(lambda parse: machines.fact(who, parse))
        if RUN_FOLDER in stash:
            stash.setdefault(READINGS, {})[who[1]] = _keep(stash[RUN_FOLDER], machines, who)
    done[file] = who[1]


def _keep(folder: RunFolder, machines: Machines, who: Who) -> str:
    """The files beside the machine's bundle; the name of the one to read."""
    bundle = machines.bundle(who)
    compared = kept.made(partial(machines.fact, who), bundle.packed())
    folder.add(kept.file_of(machines.bundle_file(who)), compared.model_dump_json().encode())
    return keep_readable(folder, machines, who, bundle)
