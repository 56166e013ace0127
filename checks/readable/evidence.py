"""Where a row's facts were read: in which machine's bundle, and under which subject of its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from checks.bundle import Bundle
from checks.machines import Machines, Who
from checks.readable import name_of, page, place_of
from reports.run_folder import RunFolder


def keep_readable(folder: RunFolder, machines: Machines, who: Who, bundle: Bundle) -> str:
    """Write the machine's page beside its bundle; its name in the run folder."""
    bundle_file = machines.bundle_file(who).rpartition("/")[2]
    return folder.add(machines.readable_file(who), page(bundle, bundle_file))


def evidence(machines: Machines, readings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The links of a row, as pytest's user properties, to each subject that it asked for.

    A row that asked a machine for nothing but its bundle gets the whole page of that machine.
    """
    asked = list(dict.fromkeys(machines.asked))
    with_facts = {who for who, module in asked if module}
    for who, module in asked:
        if who[1] not in readings or (not module and who in with_facts):
            continue
        place = f"#{place_of(module)}" if module else ""
        label = f"{who[1]}: {name_of(module) if module else 'all that was read'}"
        yield "evidence", f"{label}\t{machines.readable_file(who)}{place}"
