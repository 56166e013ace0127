"""Which words are ours, which are pytest's, and which of them belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from door.words import WITH_TWO_VALUES, WITH_VALUE, UsageError, machines_and_paths, sort


@pytest.mark.parametrize(
    ("line", "inventory", "options", "others"),
    [
        ("", None, [], []),
        ("kvm-01 -i site.yaml guest-1", "site.yaml", [], ["kvm-01", "guest-1"]),
        ("--inventory=a=b.yaml", "a=b.yaml", [], []),
        ("--inventory a.yaml -i b.yaml", "b.yaml", [], []),
        ("-k kvm-01 kvm-01", None, ["-k", "kvm-01"], ["kvm-01"]),
        ("-xk kvm-01 kvm-01", None, ["-xk", "kvm-01"], ["kvm-01"]),
        ("-kvm-01 kvm-01", None, ["-kvm-01"], ["kvm-01"]),
        ("-rA kvm-01 -vv -x", None, ["-rA", "-vv", "-x"], ["kvm-01"]),
        ("--tb short kvm-01 --tb=line", None, ["--tb", "short", "--tb=line"], ["kvm-01"]),
        ("--lf kvm-01 --advice-is-broken", None, ["--lf", "--advice-is-broken"], ["kvm-01"]),
        ("--metadata who me kvm-01", None, ["--metadata", "who", "me"], ["kvm-01"]),
        ("-x -- -strange", None, ["-x"], ["-strange"]),
        ("kvm-01 -k", None, ["-k"], ["kvm-01"]),
    ],
)
def test_words_are_sorted(line: str, inventory: str | None, options: list[str], others: list[str]) -> None:
    found = sort(line.split())
    assert (found.inventory, found.options, found.others) == (inventory, options, others)


def test_an_inventory_option_without_its_file_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"^-i needs the name of an inventory file after it$"):
        sort(["kvm-01", "-i"])


def test_help_is_asked_for_only_where_it_is_no_value() -> None:
    assert sort(["kvm-01", "--help"]).wants_help
    assert not sort(["-k", "-h"]).wants_help


@pytest.mark.parametrize(
    ("line", "value"),
    [("-m long", "long"), ("-m=long", "long"), ("-mlong", "long"), ("-m a -m b", "b"), ("-k m", None), ("-m", None)],
)
def test_the_value_of_an_option_is_found(line: str, value: str | None) -> None:
    assert sort(line.split()).value_of("-m") == value


def test_the_options_with_values_are_those_of_pytest_and_its_plugins(pytestconfig: pytest.Config) -> None:
    # pytest has no public way to ask; the versions are pinned
    by_number: dict[object, set[str]] = {}
    for action in pytestconfig._parser.optparser._actions:
        by_number.setdefault(action.nargs, set()).update(action.option_strings)
    # Testinfra's are switched off in pyproject.toml; pytest-timeout is none of ours
    others = (
        "--inventory",
        "--ansible",
        "--ssh-",
        "--sudo",
        "--connection",
        "--hosts",
        "--timeout",
        "--session-timeout",
    )
    assert {name for name in by_number[None] if not name.startswith(others)} - WITH_VALUE == set()
    assert by_number[2] == WITH_TWO_VALUES
    assert WITH_VALUE & by_number[0] == set()


@pytest.fixture
def standing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/site.py").touch()
    (tmp_path / "here/kvm-01").mkdir()
    (tmp_path / "house/checks").mkdir(parents=True)
    (tmp_path / "house/checks/test_a.py").touch()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "house"


def test_names_go_before_folders_of_the_same_name(standing_in: Path) -> None:
    assert machines_and_paths(["kvm-01", "site.py"], {"kvm-01"}, standing_in) == (["kvm-01"], ["site.py"])
    assert machines_and_paths(["kvm-01"], set(), standing_in) == ([], ["kvm-01"])


def test_files_are_found_from_the_repository_s_root_too(standing_in: Path) -> None:
    names, paths = machines_and_paths(["checks/test_a.py::test_b", "kvm-02"], {"kvm-01"}, standing_in)
    assert (names, paths) == (["kvm-02"], [f"{standing_in}/checks/test_a.py::test_b"])


@pytest.mark.parametrize("word", ["checks/test_c.py", "test_d.py::test_e"])
def test_a_file_that_is_nowhere_is_one_sentence(standing_in: Path, word: str) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*, neither here nor in"):
        machines_and_paths([word], {"kvm-01"}, standing_in)
