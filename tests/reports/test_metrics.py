"""metrics.prom, held against the grammar of the text format.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format, 0.0.4).
"""

import re
from datetime import UTC, datetime

import pytest

import reports.plugin
from reports import metrics, readiness
from reports.results import Results, Run
from reports.rows import Measure, Row, WaiverNote
from tests.reports.made_up import BROKEN, HOLDS, arguments, prepare

pytest_plugins = ["pytester"]

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
VALUE = r"(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]Inf|NaN)"
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*),?\}})? ({VALUE})(?: (-?[0-9]+))?")
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\\\|\\n)*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)")


def parsed(text):
    """By name and labels. Every line is one of the grammar; lines of a metric stand together; no series comes twice."""
    assert text.endswith("\n"), "the last line must end with a line feed"
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    ended: set[str] = set()
    typed: set[str] = set()
    current = ""
    for line in text.split("\n")[:-1]:
        match = HELP.fullmatch(line) or TYPE.fullmatch(line) or SAMPLE.fullmatch(line)
        assert match, f"not of the format: {line!r}"
        name = match[1]
        if name != current:
            assert name not in ended, f"the lines of {name} do not stand together"
            ended.add(current)
            current = name
        if line.startswith("# TYPE"):
            assert name not in typed, f"{name} has two types"
            assert not any(key[0] == name for key in found), f"the type of {name} comes after its first sample"
            typed.add(name)
        elif not line.startswith("#"):
            assert name in typed
            labels = re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"', match[2] or "")
            assert len(dict(labels)) == len(labels)
            key = (name, tuple(sorted((k, unescaped(v)) for k, v in labels)))
            assert key not in found, f"{key} comes twice"
            found[key] = float(match[3])
    return found


def unescaped(text):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def told(rows, host_of=None, state="finished"):
    run = Run(started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), finished=datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC),
              command_line=(), user="me", controller="here", versions={"vfproof": "0.1.0"}, exit_status=1)  # fmt: skip
    machines = readiness.machines(rows, host_of or {}, {})
    return parsed(metrics.text(Results(state=state, run=run, machines=machines, rows=tuple(rows))))


def row(number, outcome="holds", machine="kvm-1", **more):
    return Row(id=f"checks/test_a.py::test_{number}", statement="It is so.", outcome=outcome, machine=machine, **more)


def test_a_host_is_ready_or_not_and_its_statements_are_counted():
    rows = [row(1), row(2, "broken"), row(3, machine="kvm-2"), row(4, "could not look", machine="kvm-3")]
    found = told(rows)
    ready = {host: found["vfproof_ready", (("host", host),)] for host in ("kvm-1", "kvm-2", "kvm-3")}
    assert ready == {"kvm-1": 0, "kvm-2": 1, "kvm-3": 0}
    assert found["vfproof_readiness", (("host", "kvm-3"), ("state", "not proven"))] == 1
    assert found["vfproof_readiness", (("host", "kvm-3"), ("state", "not ready"))] == 0
    assert found["vfproof_statements", (("host", "kvm-1"), ("outcome", "broken"))] == 1
    assert found["vfproof_statements", (("host", "kvm-2"), ("outcome", "broken"))] == 0


def test_the_run_is_told():
    found = told([row(1)])
    assert found["vfproof_last_run_timestamp_seconds", ()] == datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC).timestamp()
    assert found["vfproof_last_run_duration_seconds", ()] == 60
    assert found["vfproof_last_run_exit_status", ()] == 1
    assert found["vfproof_last_run_complete", ()] == 1
    assert told([row(1)], state="interrupted")["vfproof_last_run_complete", ()] == 0


def test_a_waiver_is_counted_and_says_when_it_ends():
    waiver = WaiverNote(state="counts", by="me", until="2027-03-31", reason="cabled in March")
    found = told([row(1, "waived", machine="web-01", waiver=waiver)], {"web-01": "kvm-1"})
    assert found["vfproof_waived", (("host", "kvm-1"),)] == 1
    end = datetime(2027, 4, 1, tzinfo=UTC).timestamp()
    assert found["vfproof_waiver_ends_timestamp_seconds", (("host", "kvm-1"),)] == end


def test_what_a_drill_measured_is_a_metric_of_the_guests_host():
    measured = (Measure(name="drill_outage_seconds", of="switch", value=0.044),)
    found = told([row(1, machine="web-01", measured=measured)], {"web-01": "kvm-1"})
    labels = (("host", "kvm-1"), ("machine", "web-01"), ("of", "switch"))
    assert found["vfproof_drill_outage_seconds", labels] == 0.044


def test_names_of_any_kind_are_escaped():
    name = 'a"b\\c\nd}\x1b\u202e'
    found = told([row(1, machine=name)])
    assert found["vfproof_ready", (("host", 'a"b\\c\nd}\\x1b\\u202e'),)] == 1


def test_a_run_leaves_it_in_its_folder_and_where_the_collector_looks(pytester):
    prepare(pytester, HOLDS, BROKEN)
    target = pytester.path / "collector" / "vfproof.prom"
    result = pytester.runpytest_inprocess(*arguments("--prometheus", str(target)), plugins=[reports.plugin])
    assert result.ret == 1
    text = (pytester.path / "out" / "metrics.prom").read_text()
    assert parsed(text)["vfproof_ready", (("host", "kvm-1"),)] == 0
    assert target.read_text() == text
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["vfproof.prom"]


def test_a_name_that_no_collector_reads_is_a_usage_error(pytester):
    prepare(pytester, HOLDS)
    result = pytester.runpytest_inprocess(*arguments("--prometheus", "vfproof.txt"), plugins=[reports.plugin])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*reads only files that end in .prom*"])
    assert not (pytester.path / "out").exists()


def test_a_place_that_cannot_be_written_is_told_and_the_run_goes_on(pytester):
    prepare(pytester, HOLDS)
    (pytester.path / "file").write_text("")
    result = pytester.runpytest_inprocess(*arguments("--prometheus", "file/x.prom"), plugins=[reports.plugin])
    result.stdout.fnmatch_lines(["note: --prometheus file/x.prom: *"])
    assert (pytester.path / "out" / "metrics.prom").exists()


def test_the_strict_reader_refuses_what_is_not_of_the_format():
    for wrong in (
        'a{b="c} 1\n',
        "# TYPE a gauge\na 1",
        "a-b 1\n",
        "# TYPE a gauge\na one\n",
        '# TYPE a gauge\na{b="\\x"} 1\n',
    ):
        with pytest.raises(AssertionError):
            parsed(wrong)
