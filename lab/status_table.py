"""What `lab status` prints: the cell's own account as a plain table."""

from __future__ import annotations

import time
from typing import Any


def status_lines(status: dict[str, Any], name: str, *, reach: str) -> list[str]:
    """Lines of text for the answer of `lab.session.Lab.status`; `reach` is the command that a path's name ends."""
    rows = [("NODE", "STATE", "SINCE", "RUNS ON", "REACH IT BY")]
    for node in status["nodes"]:
        ways = ", ".join(f"{reach} {path}" for path in node["ssh"])
        rows.append((node["name"], node["state"], _clock(node["since"]), node["runs_on"], ways))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"lab {name}: topology {status['topology']}, up since {_clock(status['since'])}, cell {status['pid']}"]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        lines.append("  " + "  ".join([*cells, row[4]]))
    lines.append(f"  inventory: {status['inventory']}")
    return lines + [f"  fault: {fault}" for fault in status["faults"]]


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
