"""Two run folders compared: whole runs, old ones, what is none, and what the terminal, the page and the file say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.compare import inventories, kept
from checks.compare.__main__ import main
from checks.compare.page import page
from checks.compare.runs import Comparison, compare
from checks.compare.schema import schema_text
from checks.compare.stored_run import NotARun, StoredRun
from checks.outcome import CouldNotLook
from inventory.loading import load
from tests.checks.compare.made_runs import FORMAT_1, GUEST, HOST, cut_off, event, row, run, sample

INVENTORY = (FORMAT_1 / "inventory.yaml").read_text()


def pair(tmp_path: Path, before: bytes, after: bytes, name: str = HOST) -> Comparison:
    """Two runs of one machine."""
    return compare(run(tmp_path / "a", bundles={name: before}), run(tmp_path / "b", bundles={name: after}))


def test_a_run_compared_with_its_copy_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(FORMAT_1, tmp_path / "copy")
    assert main([str(FORMAT_1), str(copy)]) == 0
    assert "THE SAME" in capsys.readouterr().out
    found = compare(FORMAT_1, copy)
    assert (found.changes, found.shifts, found.wishes, found.remarks) == ((), (), (), ())


def test_a_run_of_format_1_is_read_with_all_that_it_holds(tmp_path: Path) -> None:
    """It stays so: an old run is the only one there is of a host as it was."""
    assert json.loads((FORMAT_1 / "results.json").read_text())["format"] == 1
    old = StoredRun.at(FORMAT_1)
    assert old.machines == frozenset({HOST, GUEST})
    assert old.host_of == {GUEST: HOST}
    features = old.features(HOST)
    assert not isinstance(features, CouldNotLook)
    assert not [part for part in features.sections.values() if isinstance(part, str)]
    wishes = old.wishes()
    assert not isinstance(wishes, CouldNotLook)
    assert wishes.machines[HOST]["pfs.enp1s0.vfs"] == "2"
    after = run(tmp_path / "b", bundles={HOST: sample(HOST, ("6.12.117+deb13", "6.19.107+deb14"))})
    found = compare(FORMAT_1, after)
    assert {(one.what, one.effect) for one in found.changes} >= {("kernel", "expected"), ("driver version", "expected")}


def test_another_kernel_is_expected_and_breaks_nothing(tmp_path: Path) -> None:
    found = pair(tmp_path, sample(HOST), sample(HOST, ("6.12.117+deb13", "6.19.107+deb14")))
    assert {one.cause for one in found.changes} == {"kernel"}
    assert {one.effect for one in found.changes} == {"expected"}
    assert not found.worse


def test_a_rule_that_asks_for_fewer_vfs_breaks_the_next_boot(tmp_path: Path) -> None:
    found = pair(tmp_path, sample(HOST), sample(HOST, ('sriov_numvfs}="2"', 'sriov_numvfs}="1"')))
    ahead = [one for one in found.changes if one.what == "VFs after the next boot"]
    assert [(one.before, one.after, one.cause, one.effect) for one in ahead] == [("2", "1", "settings", "breaks")] * 2
    assert found.worse, "no statement was judged, and yet the next boot brings fewer VFs"


def test_a_bonds_option_and_what_it_does(tmp_path: Path) -> None:
    data = sample(GUEST, ("bonding/num_grat_arp:3", "bonding/num_grat_arp:1"))
    found = pair(tmp_path, sample(GUEST), data, GUEST)
    told = {(one.subject, one.what): (one.before, one.after, one.effect) for one in found.changes}
    assert told["bond bond0", "num_grat_arp"] == ("3", "1", "look")
    assert told["bond bond0, loss of link", "gratuitous ARPs foretold"] == ("3, 200 ms apart", "1", "breaks")


def test_a_new_name_that_the_inventory_follows_breaks_nothing(tmp_path: Path) -> None:
    both = {HOST: sample(HOST), GUEST: sample(GUEST)}
    after = both | {GUEST: sample(GUEST, ("enp1s0", "ens1p0"))}
    renamed = INVENTORY.replace("enp1s0: {mac", "ens1p0: {mac").replace("[enp1s0, enp2s0]", "[ens1p0, enp2s0]")
    old = run(tmp_path / "a", bundles=both, inventory=INVENTORY)
    found = compare(old, run(tmp_path / "b", bundles=after, inventory=INVENTORY))
    (name,) = (one for one in found.changes if one.what == "name")
    assert (name.before, name.after, name.effect, found.worse) == ("enp1s0", "ens1p0", "breaks", True)
    followed = compare(old, run(tmp_path / "c", bundles=after, inventory=renamed))
    assert {one.effect for one in followed.changes if one.what == "name"} == {"look"}
    assert {one.key for one in followed.wishes} >= {"nics.ens1p0.mac", "bonds.bond0.slaves"}
    assert not followed.worse


def test_a_new_name_that_makes_a_statement_hold_breaks_nothing(tmp_path: Path) -> None:
    was, now = row("names", "broken", GUEST, area="nic_names"), row("names", "holds", GUEST, area="nic_names")
    before = run(tmp_path / "a", was, bundles={GUEST: sample(GUEST)})
    after = run(tmp_path / "b", now, bundles={GUEST: sample(GUEST, ("enp1s0", "ens1p0"))})
    found = compare(before, after)
    assert {one.effect for one in found.changes if one.what == "name"} == {"look"}


def test_a_bundle_that_cannot_be_read_is_one_change(tmp_path: Path) -> None:
    found = pair(tmp_path, sample(HOST), b"no bundle")
    (one,) = found.changes
    assert (one.section, one.what, one.before) == ("bundle", "could be read", "read")
    assert "could be read" in {one.what for one in pair(tmp_path / "c", sample(HOST), cut_off(HOST)).changes}


def test_kept_facts_save_the_reading_and_are_believed_only_of_their_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(tmp_path / "a", bundles={HOST: sample(HOST)})
    found = kept.read(folder, HOST)
    (folder / "facts").mkdir()
    file = folder / kept.file_of(f"bundles/{HOST}.vfb.gz")
    file.write_text(found.model_dump_json())
    with monkeypatch.context() as patch:
        patch.setattr(Bundle, "load", lambda *_: pytest.fail("the bundle was read"))
        assert kept.read(folder, HOST) == found
    for spoilt in (
        found.model_copy(update={"bundle": "0" * 64, "nics": "spoilt"}).model_dump_json(),
        found.model_dump_json().replace('"format":1', '"format":0', 1),
        "no JSON",
    ):
        file.write_text(spoilt)
        assert kept.read(folder, HOST) == found


def test_kept_wishes_are_believed_only_of_their_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(tmp_path / "a", inventory=INVENTORY)
    found = inventories.wishes(load(folder / "inventory.yaml"), INVENTORY.encode())
    (folder / "facts").mkdir()
    (folder / inventories.FILE).write_text(found.model_dump_json())
    monkeypatch.setattr(inventories, "load", lambda _: pytest.fail("the inventory was read"))
    assert inventories.read(folder, "inventory.yaml") == found
    monkeypatch.undo()
    (folder / "inventory.yaml").write_text(INVENTORY.replace("vfs: 2", "vfs: 3"))
    assert inventories.read(folder, "inventory.yaml").machines[HOST]["pfs.enp1s0.vfs"] == "3"


def test_an_inventory_that_cannot_be_read_is_a_remark(tmp_path: Path) -> None:
    old = run(tmp_path / "a", row("x", "holds"), inventory="hosts: [")
    found = compare(old, run(tmp_path / "b", row("x", "holds"), inventory=INVENTORY))
    assert any("what the inventories want otherwise is not known" in remark for remark in found.remarks)


def test_timings_are_compared_where_both_have_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast, slow = [event(10.0 + number) for number in range(10)], [event(400.0 + number) for number in range(10)]
    old = run(tmp_path / "a", row("x", "holds", "guest"), drills={"guest": fast})
    new = run(tmp_path / "b", row("x", "holds", "guest"), drills={"guest": slow})
    few = run(tmp_path / "c", row("x", "holds", "guest"), drills={"guest": slow[:9]})
    assert main([str(old), str(new)]) == 1
    said = capsys.readouterr().out
    assert "guest: switch, eth0→eth1: outage: slower: median 14.5 ms (10) → median 404.5 ms (10)" in said
    assert said.endswith("WORSE: 1 timing of a drill got slower\n")
    assert main([str(old), str(few)]) == 0
    assert "outage: too few repeats to compare (10 before, 9 after)" in capsys.readouterr().out


def test_rounds_from_before_they_had_a_format_are_read(tmp_path: Path) -> None:
    old = run(tmp_path / "a", row("x", "holds"), drills={"guest": [event(1.0)] * 10})
    file = old / "drills/guest/switch/rounds.json"
    told = json.loads(file.read_text())
    del told["format"]
    file.write_text(json.dumps(told))
    measured = StoredRun.at(old).measured()
    assert not isinstance(measured, CouldNotLook)
    assert {(series.measure, len(values.ms), values.resolution_ms) for series, values in measured.items()} == {
        ("outage", 10, 5.0),
        ("first GARP", 10, 5.0),
    }


def test_a_drill_that_measured_nothing_is_not_compared(tmp_path: Path) -> None:
    old = run(tmp_path / "a", row("x", "holds"), drills={"guest": [event(1.0)] * 10})
    file = old / "drills/guest/switch/rounds.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"not_measured": "the guest rebooted"}))
    assert StoredRun.at(old).measured() == {}
    file.write_text('{"format": 2}')
    found = compare(old, run(tmp_path / "b", row("x", "holds")))
    assert any("made by a newer vfproof (format 2" in remark for remark in found.remarks)


def test_worse_is_the_exit_status_and_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run(tmp_path / "a", row("vfs", "holds"), row("bond", "broken"))
    after = run(tmp_path / "b", row("vfs", "broken", message="kvm-1: 0 VFs, wanted 4"), row("bond", "holds"))
    assert main([str(before), str(after)]) == 1
    said = capsys.readouterr().out
    assert said.index("Worse") < said.index("kvm-1: 0 VFs, wanted 4") < said.index("Better")
    assert "WORSE: 1 statement came out worse" in said
    assert main([str(after), str(before)]) == 1  # the bond that held is broken again


def test_statements_that_one_run_left_out_are_a_remark_and_no_change(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", row("x", "holds"), row("y", "holds"), row("z", "broken", area="bond"))
    part = run(tmp_path / "b", row("x", "holds"), deselected=1)
    found = compare(whole, part)
    assert (found.shifts, found.worse) == ((), False)
    assert "left out 1 statements on its command line" in found.remarks[0]
    less = compare(whole, run(tmp_path / "c", row("x", "holds"), row("y", "holds")))
    assert "judged nothing of checks/test_bond.py" in less.remarks[0]


def test_machines_of_one_run_only_are_named_and_not_compared(tmp_path: Path) -> None:
    old = run(tmp_path / "a", row("x", "holds"), row("x", "holds", "gone"))
    found = compare(old, run(tmp_path / "b", row("x", "holds"), row("x", "broken", "new")))
    assert (found.only_before, found.only_after, found.shifts) == (("gone",), ("new",), ())


def test_json_alone_on_standard_output_and_a_page_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run(tmp_path / "a", row("vfs", "holds"))
    after = run(tmp_path / "b", row("vfs", "broken", message="<script>alert(1)</script>\x1b[31m"))
    html = tmp_path / "page.html"
    assert main([str(before), str(after), "--json", "-", "--html", str(html)]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["format"], data["worse"], data["shifts"][0]["verdict"]) == (1, True, "worse")
    assert "<script>" not in html.read_text()
    assert "&lt;script&gt;" in html.read_text()
    assert "\x1b" not in html.read_text()
    assert main([str(before), str(after)]) == 1
    assert "\x1b" not in capsys.readouterr().out
    assert "THE SAME" in page(compare(before, shutil.copytree(before, tmp_path / "c")))


def test_the_schema_is_the_published_one() -> None:
    published = Path(__file__).parents[3] / "checks/compare/comparison.schema.json"
    assert published.read_text() == schema_text(), "write it anew: python -m checks.compare.schema >FILE"


def _no_folder(path: Path) -> str:
    return f"{path}: no results.json in it; name the folder of a run"


def _a_file(path: Path) -> str:
    path.write_text("x")
    return "Not a directory"


def _newer(path: Path) -> str:
    path.mkdir()
    (path / "results.json").write_text('{"format": 7, "run": "otherwise"}')
    return "made by a newer vfproof (format 7; this one reads up to 1)"


def _nonsense(path: Path) -> str:
    path.mkdir()
    (path / "results.json").write_text('{"format": 1}')
    return "not a results.json that this vfproof reads: state:"


def _half_written(path: Path) -> str:
    text = (run(path, row("x", "holds")) / "results.json").read_text()
    (path / "results.json").write_text(text[: len(text) // 2])
    return "not JSON, so this is no whole run"


def _running(path: Path) -> str:
    run(path, row("x", "holds"), state="running")
    return "still going on, or was killed before its end"


def _interrupted(path: Path) -> str:
    run(path, row("x", "holds"), state="interrupted", ended_by="interrupted by Ctrl-C")
    return "did not come to its end (interrupted by Ctrl-C)"


def _other_machines(path: Path) -> str:
    run(path, row("x", "holds", "kvm-77"))
    return f"the two runs have no machine in common: {path.parent / 'good'} is about {HOST}, {path} about kvm-77"


@pytest.mark.parametrize(
    "make",
    [_no_folder, _a_file, _newer, _nonsense, _half_written, _running, _interrupted, _other_machines],
)
def test_what_cannot_be_compared_is_one_sentence(
    make: Callable[[Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = make(tmp_path / "x")
    good = run(tmp_path / "good", row("x", "holds"))
    assert main([str(good), str(tmp_path / "x")]) == 4
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    with pytest.raises(NotARun):
        compare(tmp_path / "x", good)


def test_one_folder_twice_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = run(tmp_path / "good", row("x", "holds"))
    assert main([str(good), str(tmp_path / "good/../good")]) == 4
    assert "are the same folder" in capsys.readouterr().err
