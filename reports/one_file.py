"""The report as one file that can be mailed: figures and evidence in it, and nothing beside it needed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from reports.results import Results
from reports.table import address

MOST_BYTES = 8 * 1024 * 1024
"""A larger file (a capture of hours) is not embedded; the page then says where it lies."""
_LESS_THAN = r"\u003c"
"""In JSON: in a script element nothing but `<` can end the element or begin a comment."""
_IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}
_TEXTS = (".html", ".json", ".jsonl", ".xml", ".yaml", ".txt", ".prom", ".svg")


def embed(page: str, folder: Path, results: Results, more: Iterable[str] = ()) -> str:
    """The page with all files that it links to in it. `more`: files that no row names."""
    paths = [path for path in dict.fromkeys([*_linked(results), *more]) if _fits(folder, path)]
    for path in paths:
        if (kind := _IMAGES.get(Path(path).suffix)) is not None:
            data = base64.b64encode((folder / path).read_bytes()).decode("ascii")
            page = page.replace(f'src="{address(path)}"', f'src="data:{kind};base64,{data}"')
    files = json.dumps({path: _content(folder / path) for path in paths})
    files = files.replace("<", _LESS_THAN)
    held = f'<script type="application/json" id="vf-files">{files}</script>'
    before, _, after = page.rpartition('<div id="data-container"')
    return f'{before}{held}<div id="data-container"{after}'


def _linked(results: Results) -> Iterator[str]:
    for row in results.rows:
        yield from (link.path for link in (*row.figures, *row.evidence))
    yield from (path for path in (results.run.inventory, "results.json", "junit.xml", "metrics.prom") if path)


def _fits(folder: Path, path: str) -> bool:
    """Whether it is a file inside the folder, and not too large."""
    target = (folder / path).resolve()
    return target.is_relative_to(folder.resolve()) and target.is_file() and target.stat().st_size <= MOST_BYTES


def _content(file: Path) -> dict[str, str]:
    data = file.read_bytes()
    if file.suffix in _TEXTS:
        return {"text": data.decode("utf-8", "replace")}
    return {"base64": base64.b64encode(data).decode("ascii")}
