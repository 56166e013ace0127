"""YAML is read as YAML 1.2, whoever parses it; text that is none ends in one sentence and soon."""

from __future__ import annotations

import json
import re
import time
from math import inf, isnan

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inventory import nodes
from inventory.document import InventoryError, parsed, plain
from inventory.nodes import NotYaml, compose
from inventory.writing import written

PARSERS = [yaml.CBaseLoader, yaml.BaseLoader]


@pytest.fixture(params=PARSERS, ids=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "Parser", request.param)


def refusal(text: str) -> str:
    with pytest.raises(NotYaml) as caught:
        compose(text)
    return f"{caught.value.line}: {caught.value}"


def test_libyaml_is_what_parses() -> None:
    assert nodes.Parser is yaml.CBaseLoader


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, None) for word in ("null", "Null", "NULL", "~", "")],
        *[(word, word) for word in ("yes", "no", "on", "Off", "y", "tRue", "nUll", "None", "=", "+", "_1", "0o8")],
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("190:20:30", "190:20:30"),
        ("0000:3d:00.0", "0000:3d:00.0"),
        ("2027-03-31", "2027-03-31"),
        ("12", 12),
        ("-1_000", -1000),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -inf),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!bool yes", True),
        ("! 12", 12),
        ("%YAML 1.1\n--- yes", "yes"),
        ("%YAML 1.2\n--- yes", "yes"),
    ],
)
def test_a_value_means_what_it_means_in_yaml_1_2(text: str, value: object, parser: None) -> None:
    found = plain("x", f"{text if text.startswith('%') else f'- {text}'}\n")
    found = found[0] if isinstance(found, list) else found
    assert (type(found), found) == (type(value), value)


def test_not_a_number_is_one(parser: None) -> None:
    (found,) = json.loads(json.dumps(plain("x", "- .nan\n")))
    assert isnan(found)


def test_an_anchor_may_be_defined_anew_and_an_alias_means_the_last_before_it(parser: None) -> None:
    assert plain("x", "a: &x 1\nb: &y [*x]\nc: &x 2\nd: [*x, *y]\n") == {"a": 1, "b": [1], "c": 2, "d": [2, [1]]}


def test_a_byte_order_mark_may_stand_at_the_beginning(parser: None) -> None:
    assert plain("x", "\ufeffa: 1\n") == {"a": 1}
    assert refusal("a: 1\n\ufeffb: 2\n") == "2: a byte order mark inside the text, which YAML does not allow"


def test_every_key_and_item_has_its_line(parser: None) -> None:
    document = parsed("x", "# first\na:\n  b: [1,\n    2]\n  ? c\n  : &d {e: 1}\n\nf:\n- *d\n- |\n  x\n\n  y\n- z\n")
    assert document.lines == {
        (): 1,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("a", "c"): 5,
        ("a", "c", "e"): 6,
        ("f",): 8,
        ("f", 0): 6,
        ("f", 0, "e"): 6,
        ("f", 1): 10,
        ("f", 2): 14,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [b,\n\nc\nd: e\n", "4: not valid YAML: a ',' is missing, or the bracket that is opened in line 1 is"),
        ("a:\n  b: {c: d\n\n\n", "2: not valid YAML: a ',' is missing, or the bracket that is opened in line 2 is"),
        ("a:\n  b: 1\n\tc: 2\n", "3: not valid YAML: a tab; YAML indents with spaces only"),
        ("a: |\n\tb\n", "2: not valid YAML: a tab; YAML indents with spaces only"),
        ("a:\n- @b\n", "2: not valid YAML: a value that begins with '@'; put it in quotes"),
        (
            "a: *.b\n",
            "1: not valid YAML: a '&' or '*' begins a name (letters, digits, '-', '_'); put any other value in quotes",
        ),
        ("a: *b\n", "1: not valid YAML: an alias (*name) that no anchor (&name) above it defines"),
        (
            "a: [::1]\n",
            "1: not valid YAML: a value is missing here, or one that begins with a sign stands in no quotes",
        ),
        ('a: "\\d"\n', "1: not valid YAML: a '\\' in double quotes, and no escape that YAML knows; use single quotes"),
        ("a:\n  b: - c\n", "2: not valid YAML: a '-' of a list in the middle of a line; begin a line with it"),
        ("%YAML 2.0\n--- a\n", "1: not valid YAML: a %YAML line of another version; leave it out"),
        ("a: 1\n--- \nb: 2\n", "2: not valid YAML: a second document ('---'); put all into one"),
    ],
)
def test_what_is_no_yaml_is_said_in_words(text: str, sentence: str, parser: None) -> None:
    assert refusal(text).startswith(sentence)


@pytest.mark.parametrize("start", ["[", "{", "{a: ", "[a, ", "- ", "? ", "[\n", "- - ", "{? ", "&a [", "!!seq ["])
@pytest.mark.parametrize("parser", PARSERS[:1], indirect=True)
def test_a_hundred_thousand_levels_are_refused_at_once(start: str, parser: None) -> None:
    started = time.process_time()
    assert refusal(start * 100_000).endswith("lists or mappings nested too deeply")
    assert time.process_time() - started < 1


@pytest.mark.parametrize("levels", [nodes.DEEPEST, nodes.DEEPEST + 1])
def test_the_bound_of_depth_is_ours_and_not_that_of_a_release_of_libyaml(levels: int, parser: None) -> None:
    text = "[" * levels + "]" * levels
    if levels > nodes.DEEPEST:
        assert refusal(text) == "1: lists or mappings nested too deeply"
    else:
        assert compose(text) is not None


SIGNS = st.sampled_from(
    [
        *"-?:,[]{}#&*!|>'\"%@`\\~=<.+_ 0179aexn\t\n\r\x85\u2028\ufeff\x00é",
        "&x ",
        "*x ",
        "!!int ",
        "!!",
        "%ff",
        "\\U",
        ": ",
    ]
)
HOSTILE = st.one_of(st.text(max_size=80), st.lists(SIGNS, max_size=40).map("".join))


@settings(max_examples=300, deadline=None)
@given(text=HOSTILE, of=st.sampled_from(PARSERS))
@example(text='"\\UFFFFFFFF"', of=yaml.BaseLoader)
@example(text="!%ed%a0%80 a", of=yaml.CBaseLoader)
@example(text=f"%YAML 1.{'9' * 5000}\n---\n", of=yaml.BaseLoader)
@example(text="\udcff", of=yaml.CBaseLoader)
def test_any_text_is_one_document_or_one_sentence(text: str, of: type) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "Parser", of)
        try:
            parsed("x", text)
        except InventoryError as error:
            assert all(problem.startswith("x:") and problem.isprintable() for problem in error.problems)


# Of the line ends that are not ASCII PyYAML makes spaces.
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.lists(SIGNS, max_size=6).map("".join),
    st.sampled_from(
        ["on", "yes", "true", "null", "~", "<<", "=", "12", "0o17", "0x1F", "1e3", ".5", "12:30:45", "---"]
    ),
).filter(lambda text: not re.search("[\x85\u2028\u2029]", text))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(value=VALUES, in_order=st.booleans())
def test_what_is_written_is_read_as_it_was_and_by_other_tools_too(value: object, in_order: bool) -> None:
    text = written(value, in_order=in_order)
    assert plain("x", text) == value
    assert yaml.safe_load(text) == value


def test_keys_are_sorted_or_left_as_they_come() -> None:
    value = {"b": [1, 2], "a": {"d": "1e3", "c": {}}}
    assert written(value) == "a:\n  c: {}\n  d: '1e3'\nb: [1, 2]\n"
    assert written(value, in_order=True) == "b:\n- 1\n- 2\na:\n  d: '1e3'\n  c: {}\n"
