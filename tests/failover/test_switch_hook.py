"""A site's hook: what it is told, what becomes of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from failover.events import planned
from failover.places import CouldNotMeasure, DoesNotApply
from failover.switch_hook import SwitchHook
from tests.failover.wire import BEFORE

DOWN, UP = planned("wire-cut", BEFORE)[:2]


@pytest.fixture
def hook(tmp_path: Path) -> SwitchHook:
    """A hook that writes down its words; `status` and `says` beside it are what it ends with."""
    script = tmp_path / "hook"
    script.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")" && echo "$*" >>told\n'
        '[ ! -e says ] || cat says >&2\nexit "$(cat status 2>/dev/null || echo 0)"\n'
    )
    script.chmod(0o755)
    made = SwitchHook((str(script), "--site"), "wire-cut", "guest-1")
    assert made.arm("token", 45) == "the hook undoes by itself after 45 s"
    return made


def beside(hook: SwitchHook, name: str) -> Path:
    return Path(hook.command[0]).with_name(name)


def test_it_is_told_fault_guest_nic_and_time_and_to_mend(hook: SwitchHook) -> None:
    acted = hook.act(DOWN)
    assert (acted.way, acted.status, acted.message) == ("wire-cut", 0, "")
    hook.act(UP)
    assert beside(hook, "told").read_text().splitlines() == [
        "--site wire-cut guest-1 eth0 45",
        "--site mend wire-cut guest-1 eth0",
    ]
    assert hook.give_back("token") == "yes"
    assert not hook.differences()


def test_what_is_still_broken_is_mended_at_the_end(hook: SwitchHook) -> None:
    hook.act(DOWN)
    assert hook.differences() == (f"switch hook {hook.command[0]}: wire-cut of eth0 was not mended",)
    assert hook.give_back("token") == "yes"
    assert beside(hook, "told").read_text().splitlines()[-1] == "--site mend wire-cut guest-1 eth0"
    assert not hook.differences()


def test_a_hook_that_fails_is_quoted_and_one_that_cannot_mend_is_told(hook: SwitchHook) -> None:
    beside(hook, "says").write_text("switch 7 does not answer\n")
    beside(hook, "status").write_text("1")
    assert (hook.act(DOWN).status, hook.act(DOWN).message) == (1, "switch 7 does not answer")
    assert "could not mend wire-cut of eth0: switch 7 does not answer" in hook.give_back("token")
    assert hook.differences()


def test_a_site_without_that_fault_is_no_trouble(hook: SwitchHook) -> None:
    beside(hook, "says").write_text("no optical switch here\n")
    beside(hook, "status").write_text("3")
    with pytest.raises(DoesNotApply, match="wire-cut of guest-1's eth0 is not possible here: no optical switch"):
        hook.act(DOWN)
    assert not hook.differences()


def test_a_hook_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    missing = SwitchHook((str(tmp_path / "nothing"),), "port-down", "guest-1")
    with pytest.raises(CouldNotMeasure, match="cannot be run: No such file"):
        missing.act(DOWN)
