"""Two runs side by side: what changed, what most likely did it, whether anything got worse."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.compare.__main__ import main
from checks.compare.changes import changes, shifts
from checks.compare.features import features
from checks.compare.page import page
from checks.compare.runs import NotARun, compare
from checks.outcome import CouldNotLook
from reports.results import Results, Run
from reports.rows import Outcome, Row

SAMPLES = sorted((Path(__file__).parent / "captured/sriov-lab").glob("*.vfb.gz"))


def row(name: str, outcome: Outcome, machine: str = "kvm-1", message: str = "") -> Row:
    node = f"checks/test_vfs.py::test_{name}[{machine}]"
    return Row(id=node, statement=f"{name} holds.", outcome=outcome, machine=machine, message=message)


def run(folder: Path, *rows: Row, bundles: dict[str, Bundle] | None = None) -> Path:
    """A run folder with these rows and bundles."""
    (folder / "bundles").mkdir(parents=True)
    started = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    told = Run(started=started, command_line=("pytest",), user="u", controller="c", versions={"vfproof": "0.1.0"})
    (folder / "results.json").write_text(Results(state="finished", run=told, rows=rows).model_dump_json())
    for name, bundle in (bundles or {}).items():
        (folder / f"bundles/{name}.vfb.gz").write_bytes(bundle.packed())
    return folder


def sample(number: int, *changed: tuple[str, str]) -> Bundle:
    """A bundle of the lab's, some of its texts replaced."""
    data = gzip.decompress(SAMPLES[number].read_bytes()).decode("latin-1")
    for old, new in changed:
        assert old in data, old
        data = data.replace(old, new)
    return _loaded(data.encode("latin-1"))


def cut_off(number: int) -> Bundle:
    """The sample as it is when the connection breaks after a while."""
    data = gzip.decompress(SAMPLES[number].read_bytes())
    return _loaded(data[: len(data) // 5])


def _loaded(data: bytes) -> Bundle:
    with tempfile.NamedTemporaryFile(suffix=".vfb.gz") as file:
        file.write(gzip.compress(data))
        file.flush()
        return Bundle.load(Path(file.name))


def name(number: int) -> str:
    """Whose bundle the sample is."""
    return SAMPLES[number].name.removesuffix(".vfb.gz")


def host() -> int:
    """Which of the samples is the host's."""
    return next(n for n in range(len(SAMPLES)) if any("PF" in s for s, _ in _pfs(sample(n))))


def _pfs(bundle: Bundle) -> dict[tuple[str, str], str]:
    found = features(bundle)["PFs and VFs"]
    return {} if isinstance(found, CouldNotLook) else dict(found)


def test_a_run_compared_with_itself_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundles = {name(n): sample(n) for n in range(len(SAMPLES))}
    one = run(tmp_path / "a", row("x", "holds"), bundles=bundles)
    assert main([str(one), str(one)]) == 0
    assert "THE SAME" in capsys.readouterr().out
    found = compare(one, one)
    assert not found.changes
    assert not found.shifts


def test_the_samples_hold_what_is_worth_comparing() -> None:
    sections = features(sample(host()))
    assert not [part for part in sections.values() if isinstance(part, CouldNotLook)]
    keys = {what for section in sections.values() if not isinstance(section, CouldNotLook) for _, what in section}
    assert {"kernel", "driver", "VFs", "admin_mac", "shares its IOMMU group with", "name"} <= keys
    bonds = features(sample(1 - host()))["bonds"]
    assert not isinstance(bonds, CouldNotLook)
    assert any(what == "fail_over_mac" for _, what in bonds)


def test_another_kernel_is_expected(tmp_path: Path) -> None:
    number = host()
    sections = features(sample(number))
    assert not isinstance(sections["versions"], CouldNotLook)
    kernel = sections["versions"]["machine", "kernel"]
    before = run(tmp_path / "a", bundles={name(number): sample(number)})
    after = run(tmp_path / "b", bundles={name(number): sample(number, (kernel, "6" * len(kernel)))})
    found = compare(before, after)
    versions = [one for one in found.changes if one.what == "kernel"]
    assert [(one.before, one.cause, one.expected) for one in versions] == [(kernel, "kernel", True)]
    assert not found.worse


def test_a_renamed_nic_is_put_down_to_the_systemd_that_changed(tmp_path: Path) -> None:
    guest = 1 - host()
    before = run(tmp_path / "a", bundles={name(guest): sample(guest)})
    after = run(tmp_path / "b", bundles={name(guest): sample(guest, ("enp1s0", "ens1p0"))})
    names = [one for one in compare(before, after).changes if one.what == "name"]
    assert [(one.before, one.after, one.cause, one.expected) for one in names] == [
        ("enp1s0", "ens1p0", "settings", False)
    ]
    moved = list(
        changes(
            "g",
            {"versions": {("machine", "systemd"): "252"}, "NICs": {("NIC a", "name"): "ens3"}},
            {"versions": {("machine", "systemd"): "257"}, "NICs": {("NIC a", "name"): "eth0"}},
        )
    )
    assert [(one.what, one.cause, one.expected) for one in moved] == [
        ("systemd", "systemd", True),
        ("name", "systemd", False),
    ]


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("holds", "broken", "worse"),
        ("holds", "could not look", "worse"),
        ("does not apply", "broken", "worse"),
        ("could not look", "broken", "worse"),
        ("broken", "could not look", "attention"),
        ("holds", "advice", "attention"),
        ("broken", "holds", "better"),
        ("could not look", "holds", "better"),
        ("advice", "holds", "better"),
        ("holds", "does not apply", "otherwise"),
    ],
)
def test_what_a_shift_means(before: Outcome, after: Outcome, verdict: str) -> None:
    (shift,) = shifts([row("x", before)], [row("x", after)])
    assert shift.verdict == verdict
    assert not shifts([row("x", after)], [row("x", after)])


def test_a_statement_that_is_new_and_broken_is_worse_and_one_that_is_gone_is_named() -> None:
    new, gone = shifts([row("gone", "holds")], [row("new", "broken")])
    assert (new.verdict, new.before, new.after) == ("worse", "not judged", "broken")
    assert (gone.verdict, gone.before, gone.after) == ("otherwise", "holds", "not judged")


def test_the_same_shift_on_many_machines_is_one_entry() -> None:
    names = [f"kvm-{number}" for number in range(40)]
    found = shifts([row("x", "holds", n) for n in names], [row("x", "broken", n, f"{n}: no VFs") for n in names])
    assert [(len(one.machines), one.message) for one in found] == [(40, "kvm-0: no VFs")]


def test_a_section_that_cannot_be_read_is_one_change(tmp_path: Path) -> None:
    before = run(tmp_path / "a", bundles={name(host()): sample(host())})
    after = run(tmp_path / "b", bundles={name(host()): cut_off(host())})
    found = compare(before, after)
    unread = [one for one in found.changes if one.what == "could be read"]
    assert {one.before for one in unread} == {"read"}
    assert {one.section for one in unread} >= {"PFs and VFs", "NICs"}
    assert not {one.section for one in found.changes if one not in unread} & {one.section for one in unread}


def test_worse_is_the_exit_status_and_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run(tmp_path / "a", row("vfs", "holds"), row("bond", "broken"))
    after = run(tmp_path / "b", row("vfs", "broken", message="kvm-1: 0 VFs, wanted 4"), row("bond", "holds"))
    assert main([str(before), str(after)]) == 1
    said = capsys.readouterr().out
    assert said.index("Worse") < said.index("kvm-1: 0 VFs, wanted 4") < said.index("Better")
    assert "WORSE: 1 statement that held no longer does" in said
    assert main([str(after), str(before)]) == 1  # the bond that held is broken again


def test_json_alone_on_standard_output_and_a_page_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run(tmp_path / "a", row("vfs", "holds"))
    after = run(tmp_path / "b", row("vfs", "broken", message="<script>alert(1)</script>"))
    html = tmp_path / "page.html"
    assert main([str(before), str(after), "--json", "-", "--html", str(html)]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["format"], data["worse"], data["shifts"][0]["verdict"]) == (1, True, "worse")
    assert "<script>" not in html.read_text()
    assert "&lt;script&gt;" in html.read_text()
    assert page(compare(before, before)).count("None.") == 2


def _no_folder(path: Path) -> str:
    return f"{path}: no results.json in it"


def _nonsense(path: Path) -> str:
    path.mkdir()
    (path / "results.json").write_text('{"format": 7}')
    return "not a results.json that this vfproof reads: format:"


@pytest.mark.parametrize("make", [_no_folder, _nonsense])
def test_what_is_no_run_is_one_sentence(
    make: Callable[[Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = make(tmp_path / "x")
    good = run(tmp_path / "good")
    assert main([str(good), str(tmp_path / "x")]) == 4
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    with pytest.raises(NotARun):
        compare(tmp_path / "x", good)
