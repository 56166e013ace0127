"""What pytest prints of a row: the sentence that a check wrote, not the way through the code.

A CouldNotLook is an error wherever it was raised, in setup or in the check itself. pytest calls a row an error when its
setup failed, so the report of such a call says that it was one; the terminal, JUnit XML and pytest-html all go by that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

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


def sentence_of(item: pytest.Item, call: pytest.CallInfo[None]) -> Sentence | None:
    """What the check says, when that is all that shall be told. `-vv` and `--tb` keep the traceback of an assertion."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, CouldNotLook):
        return Sentence(str(error), item)
    if isinstance(error, AssertionError) and not _wants_traceback(item.config):
        text = said(error)
        return Sentence(text, item) if text else None
    return None


@contextlib.contextmanager
def instead_of_traceback(item: pytest.Item, sentence: Sentence) -> Iterator[None]:
    """Let pytest take the sentence, rather than write out a traceback first, which takes 20 ms for each row."""
    writers = dict.fromkeys(("repr_failure", "_repr_failure_py"), lambda *_, **__: sentence)
    vars(item).update(writers)
    try:
        yield
    finally:
        for name in writers:
            vars(item).pop(name, None)


def put_into(report: pytest.TestReport, call: pytest.CallInfo[None], sentence: Sentence) -> None:
    """Make a report say the sentence."""
    if call.excinfo is None:
        return
    if isinstance(call.excinfo.value, CouldNotLook) and report.when == "call":
        report.when = "setup"
    report.longrepr = sentence


def said(error: AssertionError) -> str:
    """The message of an assertion without pytest's explanation of the expression; empty when it has none of its own."""
    text = str(error)
    return "" if text.startswith("assert ") else text.partition("\nassert ")[0]


def _wants_traceback(config: pytest.Config) -> bool:
    return config.get_verbosity() >= 2 or config.getoption("tbstyle") != "auto"
