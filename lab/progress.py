"""What a person sees while a lab comes up: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from lab.coming_up import News


class Progress:
    """Takes news and prints them on standard error. Use it in a `with` block, so that the moving line ends."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._now: dict[str, str] = {}
        self._moving: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._moving = self._console.status("the lab comes up")
            self._moving.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._moving is not None:
            self._moving.stop()

    def report(self, news: News) -> None:
        """Print one line of news, and show what every node is doing in the moving line."""
        who = news.node or "lab"
        self._console.print(escape(f"[{news.at_s:6.1f} s] {who}: {news.text}"))
        if self._moving is not None:
            self._now[who] = news.text
            waiting = [f"{name} {text}" for name, text in self._now.items() if text != "up"]
            self._moving.update(escape(", ".join(waiting) or "the lab comes up"))
