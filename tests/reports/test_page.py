"""What pytest-html is given to draw."""

from tests.reports.made_up import (
    ADVICE,
    BROKEN,
    COULD_NOT_LOOK_IN_CALL,
    COULD_NOT_LOOK_IN_SETUP,
    DOES_NOT_APPLY,
    HOLDS,
    RESTORE_FAILS,
    page_of,
    rows_of_page,
)

pytest_plugins = ["pytester"]


def test_every_statement_is_one_row_of_the_page(run, pytester):
    _, results = run(HOLDS, BROKEN, COULD_NOT_LOOK_IN_SETUP, COULD_NOT_LOOK_IN_CALL, DOES_NOT_APPLY, RESTORE_FAILS)
    drawn = rows_of_page(pytester)
    assert {node: len(tests) for node, tests in drawn.items()} == {row.id: 1 for row in results.rows}
    assert "broken" in next(iter(drawn.values()))[0][2], "the worst comes first"


def test_evidence_of_a_setup_that_failed_is_linked(run, pytester):
    run(COULD_NOT_LOOK_IN_SETUP)
    ((cells,),) = rows_of_page(pytester).values()
    assert '<a href="evidence/kvm-1.gz">bundle</a>' in cells[5]
    assert (pytester.path / "out" / "evidence" / "kvm-1.gz").read_bytes() == b"bytes"


def test_why_fix_and_figure_are_shown_where_it_is_broken(run, pytester):
    run(HOLDS, BROKEN)
    broken, holds = (tests[0] for tests in rows_of_page(pytester).values())
    assert "add a slave." in broken[4]
    assert '<a href="#figure-drills-a-svg">timeline</a>' in broken[5]
    assert page_of(pytester).count('<img src="drills/a.svg"') == 1
    assert "make VFs" not in holds[4]


def test_text_from_hosts_is_escaped(run, pytester):
    run(BROKEN)
    ((cells,),) = rows_of_page(pytester).values()
    everything = page_of(pytester) + "".join(cells)
    assert "<script>alert" not in everything
    assert "6.12 <b>" not in everything
    assert "\x1b" not in everything
    assert "\u202e" not in everything
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\u202e" in cells[4]


def test_hostile_names_and_paths_stay_in_their_place(run, pytester):
    run("""
import pytest

@pytest.mark.parametrize("x", ["<img src=x onerror=alert(1)>"])
def test_x(x, tell):
    tell("machine", "<b>kvm</b>")
    tell("evidence", "<i>label</i>\\tjavascript:alert(1)")
    tell("figure", "fig\\t//other.host/x.svg")
    tell("advice", "x" * 1_000_000)
""")
    ((cells,),) = rows_of_page(pytester).values()
    everything = page_of(pytester) + "".join(cells)
    assert "<img src=x" not in everything
    assert "<b>kvm" not in everything
    assert "<i>label" not in everything
    assert 'href="javascript%3Aalert%281%29"' in cells[5]
    assert 'src="other.host/x.svg"' in page_of(pytester)
    assert len(everything) < 200_000


def test_what_the_command_line_leaves_out_is_said(run, pytester):
    _, results = run(HOLDS, BROKEN, args=("-k", "vfs"))
    assert (results.run.collected, results.run.deselected) == (1, 1)
    assert "A part only" in page_of(pytester)


def test_rows_about_nobody_leave_nothing_out(run, pytester):
    about_nobody = """
import pytest

@pytest.mark.parametrize("machine", ["kvm-1", "(no machine)"])
def test_x(machine): pass
"""
    _, results = run(about_nobody, args=("-k", "kvm"))
    assert results.run.deselected == 0
    assert "A part only" not in page_of(pytester)


def test_many_rows_are_counted_and_only_the_telling_ones_listed(run, pytester):
    many = '''
import pytest

@pytest.mark.parametrize("number", range(600))
def test_many(kvm_1, number):
    """Many hold."""
'''
    _, results = run(many, BROKEN, ADVICE)
    assert len(results.rows) == 602
    assert len(rows_of_page(pytester)) == 2
    assert "602 statements were judged" in page_of(pytester)


SECTION = """
import pytest
from reports.run_folder import RUN_FOLDER, SECTIONS

@pytest.fixture(autouse=True, scope="session")
def plugin(request):
    request.config.pluginmanager.register(Compared(request.config))

class Compared:
    def __init__(self, config):
        self.config = config

    def pytest_sessionfinish(self):
        rows = (self.config.stash[RUN_FOLDER].path / "results.json").read_text().count("nothing to see")
        sections = self.config.stash.setdefault(SECTIONS, [])
        sections.append(("Before & after", f"<p>seen in results.json: {rows}</p>"))

def test_x(tell):
    tell("note", "nothing to see")
"""


def test_a_section_of_another_room_knows_the_results_and_is_on_the_page(run, pytester):
    run(SECTION)
    page = page_of(pytester)
    assert '<section id="section-before-after" class="vf-section"><h2>Before &amp; after</h2>' in page
    assert "<p>seen in results.json: 1</p>" in page
