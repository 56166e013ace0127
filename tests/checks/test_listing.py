"""The list of statements in docs/ is what the statements say of themselves."""

from __future__ import annotations

import subprocess
import sys

from checks.listing import ROOT, areas, written
from tests.checks.test_every_check_can_fail import ALL

PAGE = ROOT / "docs" / "checks.md"


def test_the_page_is_the_one_that_the_docstrings_make():
    assert PAGE.read_text() == written(areas()), "run: .venv/bin/python -m checks.listing >docs/checks.md"


def test_every_statement_is_on_it_once_with_its_text_its_why_and_what_it_reads():
    listed = [one for area in areas() for one in area.statements]
    assert sorted(one.name for one in listed) == sorted(one.name for one in ALL)
    for one in listed:
        assert one.text.endswith(".") and one.why, one.name
        assert one.reads, f"{one.name} reads nothing: has its fixture a docstring?"
    page = PAGE.read_text()
    assert all(page.count(f"`{one.name}`") == 1 for one in listed)


def test_tables_hold_whatever_a_docstring_says(tmp_path):
    (tmp_path / "checks").mkdir()
    (tmp_path / "failover").mkdir()
    (tmp_path / "failover" / "plugin.py").write_text("")
    fixture = "@fixture(name='nics')\ndef _nics():\n    '''The <nics> | all.'''\n"
    (tmp_path / "checks" / "fixtures.py").write_text(fixture)
    statement = (
        "def test_one(nics, host_name):\n    '''A `<mac>` is <set>.\n\n    Why: a | b.\n    Fix: nothing.\n    '''\n"
    )
    (tmp_path / "checks" / "test_some.py").write_text(f"'''Some.'''\n{statement}")
    page = written(areas(tmp_path))
    assert "| A `<mac>` is &lt;set>. `test_one` | a \\| b. | The &lt;nics> \\| all |" in page


def test_it_runs_as_a_program():
    command = [sys.executable, "-m", "checks.listing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == written(areas())
