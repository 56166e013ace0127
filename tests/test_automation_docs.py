"""The examples for pipelines and timers use only what there is."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import reports.metrics
from door.help import COMMANDS
from door.words import WITH_TWO_VALUES, WITH_VALUE, sort
from inventory.document import plain

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "automation.md").read_text(encoding="utf-8")
FLAGS = {"--self-contained"}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands():
    lines = [
        line for language in ("yaml", "groovy", "ini") for block in blocks(language) for line in block.splitlines()
    ]
    found = [re.search(r"/vfproof (.*?)('\)|$)", line) for line in lines]
    return [match[1] for match in found if match]


def test_there_is_a_command_in_each_example():
    assert len(commands()) == 3


@pytest.mark.parametrize("line", commands())
def test_every_command_and_option_is_one_that_there_is(line):
    command, *words = shlex.split(line)
    assert command in COMMANDS
    sorted_words = sort(words)
    assert sorted_words.inventory and not sorted_words.others
    options = [word for word in sorted_words.options if word.startswith("-")]
    assert set(options) <= {*WITH_VALUE, *WITH_TWO_VALUES, *FLAGS}
    assert all(flag in (ROOT / "reports" / "plugin.py").read_text(encoding="utf-8") for flag in FLAGS)


def test_yaml_is_yaml_and_every_metric_is_one_that_there_is():
    parsed: Any = [plain("automation.md", block) for block in blocks("yaml")]
    assert parsed[0]["hosts"]["artifacts"]["reports"]["junit"] == "run/junit.xml"
    source = Path(reports.metrics.__file__).read_text(encoding="utf-8")
    asked = {name for rule in parsed[1]["groups"][0]["rules"] for name in re.findall(r"vfproof_\w+", rule["expr"])}
    assert asked and all(f'"{name}"' in source for name in asked)
