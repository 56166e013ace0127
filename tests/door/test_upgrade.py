"""`demo upgrade`: which commands it runs, in which order, and what its status says."""

from __future__ import annotations

import pytest

from door import demo, packages, upgrade
from door.words import sort


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch):
    """Run the inside with these exit statuses of its steps; gives its status and the commands' telling words."""
    monkeypatch.setenv("VFPROOF_LAB_INVENTORY", "/lab/inventory.yaml")
    monkeypatch.setenv("VFPROOF_LAB", "upgrade-7")

    def play(*statuses: int) -> tuple[int, list[list[str]]]:
        waiting, commands = list(statuses), []

        def run(command: list[str]) -> int:
            commands.append(command[3:])
            return waiting.pop(0)

        monkeypatch.setattr(upgrade, "run", run)
        return upgrade.inside(sort(["-v", "--run-folder=/out"])), commands

    return play


def test_it_accepts_upgrades_accepts_and_compares(steps):
    status, (before, upgraded, after, compared) = steps(0, 0, 0, 0)
    assert status == 0
    for accepted, folder in ((before, "before"), (after, "after")):
        assert accepted[0] == "pytest"
        assert {"--drill", "-v"} < set(accepted)
        # the last one counts for argparse
        assert [word for word in accepted if word.startswith("--run-folder")][-1] == f"--run-folder=/out/{folder}"
    assert upgraded == ["lab", "upgrade", "--name", "upgrade-7"]
    assert compared[:3] == ["checks.compare", "/out/before", "/out/after"]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((6, 0, 0, 0), 6), ((0, 0, 1, 1), 1), ((0, 0, 0, 1), 1), ((0, 0, 6, 0), 6)],
)
def test_what_is_not_ready_is_compared_all_the_same_and_is_the_status(steps, statuses, status):
    found, commands = steps(*statuses)
    assert found == status
    assert len(commands) == 4


@pytest.mark.parametrize(("statuses", "status"), [((0, 1), 1), ((143,), 143), ((0, 0, 130), 130)])
def test_nothing_follows_an_upgrade_that_failed_or_an_interruption(steps, statuses, status):
    found, commands = steps(*statuses)
    assert found == status
    assert len(commands) == len(statuses)


@pytest.mark.parametrize("name", upgrade.TOPOLOGIES)
def test_the_demo_of_an_upgrade_is_its_own_command_and_names_all_pages(name, monkeypatch, tmp_path, capsys):
    commands: list[list[str]] = []
    monkeypatch.setattr(packages, "provide", lambda wanted, purpose: None)

    def run(command: list[str], **_more: object) -> int:
        commands.append(command)
        return 1

    monkeypatch.setattr(demo, "run", run)
    for page in upgrade.PAGES:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).touch()
    assert demo.demo(sort([name, f"--run-folder={tmp_path}"])) == 1
    assert {name, upgrade.INSIDE} < set(commands[0])
    assert demo.INSIDE not in commands[0]
    said = capsys.readouterr().err
    assert [page for page in upgrade.PAGES if str(tmp_path / page) not in said] == []
