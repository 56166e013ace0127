"""A reboot in words: its phases, its forecasts and its log, for the report's notes and for the run folder."""

from __future__ import annotations

from collections.abc import Iterator

from failover.rebooting.result import RebootResult, phases
from reports.milestones import MilestonesPicture


def protocol(result: RebootResult) -> Iterator[str]:
    """All that the drill found, line by line."""
    yield f"host: {result.host}"
    if result.refused is not None:
        yield f"refused: {result.refused}"
        return
    yield f"rebooted by: {result.way or 'nothing yet'}"
    yield f"deadline: {result.deadline_s} s"
    for machine, back in _backs(result):
        yield f"last seen of {machine}: {back}"
    yield "phases:"
    yield from (f"  {phase}" for phase in phases(result))
    if result.not_read:
        yield f"not read again: {result.not_read}"
    yield "foretold and come:"
    for machine, one in result.all_forecasts:
        verdict = "WRONG" if one.is_wrong else "right" if one.came is not None and one.foretold.values else "-"
        yield f"  {verdict:<5} {machine}: {one}"
        yield f"        by {one.foretold.statement}: {one.foretold.why}"
    yield f"kernel log of the new boot: {result.log.why_not or f'{len(result.log.lines)} lines'}"
    yield from (f"  {line}" for line in result.log.telling())


def picture(result: RebootResult) -> MilestonesPicture | None:
    """What came back when; None where nothing was waited for."""
    found = phases(result)
    if not found or result.back is None:
        return None
    gone, again = result.back.gone_after_s, result.back.back_after_s
    return MilestonesPicture(
        title=f"{result.host}: what came back after the reboot",
        scale="s after the reboot was commanded; shaded: the host did not answer",
        lanes=[(phase.what, phase.after_s) for phase in found],
        away=None if gone is None or again is None else (gone, again),
    )


def _backs(result: RebootResult) -> Iterator[tuple[str, str]]:
    if result.back is not None:
        yield result.host, result.back.last_seen
    for guest in result.guests:
        if guest.back is not None:
            yield guest.name, guest.back.last_seen
