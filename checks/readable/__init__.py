"""A bundle as a page that a person reads: every source of every fact, raw.

The page holds the bundle's own bytes, gzipped as they are, and takes them apart in the browser: so it is hardly larger
than the bundle, costs a run of a thousand machines next to nothing, and shows what came back, not what was made of it.
"""

from __future__ import annotations

import base64
import functools
import json
from html import escape
from pathlib import Path
from types import ModuleType

from checks.bundle import Bundle
from checks.facts import catalogue
from checks.source import Command, Source
from reports.text import printable

# It loads nothing, from nowhere: whatever a machine's text would ask for.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_HERE = Path(__file__).resolve().parent


def page(bundle: Bundle, file: str) -> bytes:
    """The whole page. `file` is the name of the bundle's own file beside it."""
    title = escape(f"What was read of {printable(bundle.machine, 200)}")
    taken = bundle.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = json.dumps(_facts(bundle.sources)).replace("<", "\\u003c")
    packed = base64.b64encode(bundle.packed()).decode("ascii")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{_asset("page.css")}</style></head><body>'
        f"<header><h1>{title}</h1><p>Gathered {taken}. These are the bytes that came back, as they lie in "
        f'<a href="{escape(file, quote=True)}">{escape(file)}</a>; control characters are shown by their codes.</p>'
        '<input type="search" id="find" placeholder="path, command, text …"'
        ' aria-label="Show only sources with this text">'
        '<p id="told" aria-live="polite"></p></header><nav id="facts" aria-label="Subjects"></nav><main id="all">'
        "<noscript>This page needs JavaScript to unpack its bundle; `zcat` prints the same.</noscript></main>"
        f'<script type="application/json" id="sources">{facts}</script>'
        f'<script type="text/plain" id="bundle">{packed}</script><script>{_asset("page.js")}</script></body></html>'
    ).encode()


def name_of(module: str) -> str:
    """A fact module as people call it, and as its place in the page is called with dashes."""
    return module.rpartition(".")[2].replace("_", " ")


def place_of(module: str) -> str:
    """The id of a fact module's part of the page."""
    return name_of(module).replace(" ", "-")


@functools.lru_cache(maxsize=8)
def _facts(sources: tuple[Source, ...] | None) -> dict[str, list[int]]:
    """By fact module, the numbers of its sources in this bundle, which an older program may have gathered."""
    numbers = {_key(source): number for number, source in enumerate(sources or ())}
    found = {
        name_of(module.__name__): [numbers[_key(source)] for source in module.SOURCES if _key(source) in numbers]
        for module in _modules()
    }
    return {name: own for name, own in found.items() if own}


def _modules() -> list[ModuleType]:
    modules = [each for each in vars(catalogue).values() if isinstance(each, ModuleType)]
    return [module for module in modules if hasattr(module, "SOURCES")]


def _key(source: Source) -> tuple[str, str]:
    return type(source).__name__, source.line if isinstance(source, Command) else source.path


@functools.cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
