"""What is written for people is true as far as a machine can tell: links lead somewhere, commands can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from checks import sudoers
from checks.compare.__main__ import _parser as compare_parser
from checks.discover.__main__ import _options as discover_options
from checks.offline.words import Unusable
from checks.offline.words import parsed as offline_words
from door.__main__ import OTHERS, RUNS
from door.demo import TOPOLOGIES
from door.words import UsageError, Words, sort
from inventory.document import plain
from lab.__main__ import parser as lab_parser
from lab.topology import Topology

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|&& |; |\$\()(?:[A-Z_]+=\S* )*(?:\./)?vfproof (.*)")
_COMPLAINTS = (AssertionError, SystemExit, Unusable, UsageError)  # each reader has its own
_PLACEHOLDER = re.compile(r"[…|\[\]]|\.\.\.")


def _text(page: Path) -> str:
    """What a reader sees of it."""
    return _COMMENT.sub("", page.read_text(encoding="utf-8"))


def _prose(page: Path) -> str:
    return _FENCED.sub("", _text(page))


def _anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).replace("`", "").lower() for head in heads)
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for target in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file) if file else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in _anchors(there)):
            wrong.append(target)
    assert not wrong


def test_the_anchors_are_those_of_headings() -> None:
    assert "outcomes-readiness-exit-status" in _anchors(ROOT / "docs/report.md")
    assert "nowhere" not in _anchors(ROOT / "docs/report.md")


def _commands(page: Path) -> Iterator[str]:
    """Every command line of ours on a page: lines of its blocks, and spans that begin with one."""
    text = _text(page)
    lines = [line.strip().removeprefix("$ ") for block in _FENCED.findall(text) for line in block.splitlines()]
    spans = [span for span in _SPAN.findall(_FENCED.sub("", text)) if span.startswith("./vfproof ")]
    for line in [*lines, *spans]:
        if line.startswith(("./vfproof ", "LAB=")) or " ./vfproof " in f" {line}"[:60]:
            yield from _COMMAND.findall(line)


def _words(command: str) -> list[str]:
    """Its words, without what the shell takes, and without what stands in for something else."""
    found = shlex.split(re.split(r" [|>&]| \d?>", command)[0].partition(" # ")[0].rstrip(")"))
    found = [word.partition("|")[0] if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word) else word for word in found]
    return [word for word in found if not _PLACEHOLDER.search(word)]


def _by_pytest(words: Words, known: set[str]) -> None:
    """Options of check, drill, demo and test are pytest's and our plugins'."""
    asked = [word.partition("=")[0] for word in words.options if word.startswith("-") and word != "-"]
    unknown = [word for word in asked if word not in known and not re.fullmatch(r"-[xvqrsk]\w*", word)]
    assert not unknown


def _others(command: str, words: Sequence[str]) -> None:
    readers: dict[str, Callable[[Sequence[str]], object]] = {
        "compare": compare_parser().parse_args,
        "discover": discover_options,
        "gather": lambda given: offline_words(["gather", *given]),
        "anonymise": lambda given: offline_words(["anonymise", *given]),
        "sudoers": sudoers.main,
    }
    readers[command](list(words))


def _check(words: Sequence[str], known: set[str]) -> None:
    command, *rest = words
    if command == "help" or {"-h", "--help"} & set(rest):
        return
    if command == "lab":
        lab_parser().parse_args(rest)
    elif command in OTHERS:
        if rest:  # alone it is the command's name
            _others(command, rest)
    else:
        assert command in RUNS, f"there is no command {command}"
        sorted_words = sort(rest)
        _by_pytest(sorted_words, known)
        files = [word.partition("::")[0] for word in sorted_words.others if word.startswith(("checks/", "tests/"))]
        assert all((ROOT / file).exists() for file in files), files


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_can_be_typed(
    page: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    # pytest has no public way to ask; the versions are pinned
    known = {name for action in pytestconfig._parser.optparser._actions for name in action.option_strings}
    wrong = []
    for command in _commands(page):
        words = _words(command)
        if not words or words[0].isupper():  # COMMAND
            continue
        try:
            _check(words, known)
        except _COMPLAINTS as problem:
            wrong.append(f"./vfproof {command}: {problem} {capsys.readouterr().err.strip()}")
    assert not wrong


@pytest.mark.parametrize(
    "command",
    [
        "chekc",
        "check --no-such-option",
        "check checks/test_nothing.py",
        "compare before",
        "compare a b --pdf x",
        "lab fly",
        "gather --nothing",
        "discover --sudo",
    ],
)
def test_a_command_line_that_cannot_is_found(command: str, pytestconfig: pytest.Config) -> None:
    known = {name for action in pytestconfig._parser.optparser._actions for name in action.option_strings}
    with pytest.raises(_COMPLAINTS):
        _check(command.split(), known)


def test_commands_are_found_on_the_pages() -> None:
    assert sum(len(list(_commands(page))) for page in PAGES) > 60
    guide = list(_commands(ROOT / "docs/guide.md"))
    assert "lab up sriov --name guide" in guide


def test_the_topology_of_the_page_about_topologies_is_one() -> None:
    page = ROOT / "docs/adding-a-topology.md"
    text = page.read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = Topology.model_validate(plain(page.name, example))
    assert set(found.nodes) == {"guest", "observer"}
    assert {path.stem for path in TOPOLOGIES.glob("*.yaml")} >= {"bond", "sriov"}
