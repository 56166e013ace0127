"""What pytest prints of a row: the sentence that a check wrote, not the way through the code.

A CouldNotLook is an error wherever it was raised, in setup or in the check itself. pytest calls a row an error when its
setup failed, so the report of such a call says that it was one; the terminal, JUnit XML and pytest-html all go by that.
"""

from __future__ import annotations

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter

from checks.outcome import CouldNotLook


class Sentence(TerminalRepr):
    """A failure's text without a traceback. `reprcrash` is where pytest's summary and JUnit XML look for it."""

    def __init__(self, text: str, item: pytest.Item) -> None:
        self.text = text
        path, line, _ = item.reportinfo()
        self.reprcrash = ReprFileLocation(str(path), (line or 0) + 1, text)

    def toterminal(self, tw: TerminalWriter) -> None:
        """Print it."""
        for line in self.text.splitlines():
            tw.line(line)


def shorten(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Make a report say what the check says. `-vv` and `--tb` keep the traceback."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, CouldNotLook):
        if report.when == "call":
            report.when = "setup"
        report.longrepr = Sentence(str(error), item)
    elif isinstance(error, AssertionError) and not _wants_traceback(item.config):
        text = said(error)
        if text:
            report.longrepr = Sentence(text, item)


def said(error: AssertionError) -> str:
    """The message of an assertion without pytest's explanation of the expression; empty when it has none of its own."""
    text = str(error)
    return "" if text.startswith("assert ") else text.partition("\nassert ")[0]


def _wants_traceback(config: pytest.Config) -> bool:
    return config.get_verbosity() >= 2 or config.getoption("tbstyle") != "auto"
