import pytest

from reports.rows import Measure, Row, message_of, statement_properties

pytest_plugins = ["pytester"]

DOC = """Every slave of every bond
    has a link.

    Why: a bond with one dead slave
    still passes traffic.
    Fix: look at the cable.
    """


def test_a_docstring_is_statement_why_and_fix():
    assert statement_properties(DOC, "test_x") == [
        ("statement", "Every slave of every bond has a link."),
        ("why", "a bond with one dead slave still passes traffic."),
        ("fix", "look at the cable."),
    ]


def test_a_check_without_docstring_is_named_by_its_function():
    assert statement_properties(None, "test_slaves_have_link") == [("statement", "slaves have link")]


class UnreachableError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AssertionError("kvm-1: two lines\n  here\nassert not ['a']\n +  where"), "kvm-1: two lines\n  here"),
        (AssertionError("assert 1 == 2"), "assert 1 == 2"),
        (UnreachableError("kvm-1: no answer"), "kvm-1: no answer"),
        (UnreachableError(), "UnreachableError: "),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_an_exception_is_the_sentence_it_carries(error, message):
    assert message_of(error) == message


def test_the_area_is_the_file():
    row = Row(id="checks/test_vf_persistence.py::test_x[kvm-1]", statement="", outcome="holds")
    assert row.area == "vf_persistence"


def test_what_a_row_measured_is_a_number_under_a_plain_name(run):
    _, results = run("""
def test_x(kvm_1, tell):
    tell("measured", "drill_outage_seconds\\tswitch\\t0.044")
    for wrong in ("no number\\t\\t1", "a\\t\\tnan", "a\\t\\tone", "a", "a{b=1}\\t\\t1"):
        tell("measured", wrong)
""")
    assert results.rows[0].measured == (Measure(name="drill_outage_seconds", of="switch", value=0.044),)
