"""Our forecast of udev's rules against udevd itself: rule files are put there, udevd meets a real PF, VFs are counted.

Each case is played twice, as a boot goes one of two ways (see `checks.linux.sriov_forecast`): "late", where the PF gets
its driver after udevd came up, and "early", where all of it is there and `add` is replayed. All cases are one script on
the host; the forecast comes from what our gather reads there while the files of the case lie in place.
"""

from __future__ import annotations

import base64
import gzip
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.facts import udev
from checks.facts.udev import RuleFiles
from checks.gather import Order, gather, script
from checks.linux.udev_files import FOLDERS as FOLDERS_OF_RULES
from checks.source import File, Links, Source
from checks.stream import Envelope
from inventory.loading import load
from lab import images, session
from lab.session import Lab
from lab.udev_image import udev_image
from lab.udev_machine import Machine, boot
from tests.lab.udev_cases import CASES, ETC, LIB, PF, Case

pytestmark = pytest.mark.lab
TOPOLOGY = Path(__file__).parent / "udev_host.yaml"

# No netdevs for the VFs: nothing here needs them, and they cost a second each.
SETUP = f"""set -e
mkdir -p /root/kept && mv {ETC}/*sriov* /root/kept/
udevadm control --reload
for pf in /sys/bus/pci/devices/0000:0[12]:00.0; do
    echo 0 >$pf/sriov_numvfs
    echo 0 >$pf/sriov_drivers_autoprobe
done
udevadm settle
"""
SETUP_OLD = f"""
mkdir -p {ETC}
# Its shell is busybox, and lies elsewhere than rules say.
for name in sh echo true; do [ -e /bin/$name ] || ln -s /usr/bin/busybox /bin/$name; done
echo 0 >/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe
"""
BACK = f"""set -e
for pf in /sys/bus/pci/devices/0000:0[12]:00.0; do
    echo 1 >$pf/sriov_drivers_autoprobe
done
mv /root/kept/* {ETC}/ && rmdir /root/kept
udevadm control --reload
udevadm trigger --settle --action=add --subsystem-match=net
"""
# The driver goes and comes; the files of a case come when it is gone, so that nobody hears of its going.
PLAY = """
D=/sys/bus/pci/devices/{pf}
echo {pf} >/sys/bus/pci/drivers/igb/unbind
udevadm settle
{put}
udevadm control --reload
udevadm trigger --settle --action=add $D
echo {pf} >/sys/bus/pci/drivers/igb/bind
udevadm settle
late=$(cat $D/sriov_numvfs)
[ "$late" = 0 ] || echo 0 >$D/sriov_numvfs
udevadm settle
# With all that is below it, once each, as at a boot.
udevadm trigger --settle --action=add $D
udevadm settle
echo "played {number} $late $(cat $D/sriov_numvfs) $(look)"
{take}
udevadm control --reload
[ "$(cat $D/sriov_numvfs)" = 0 ] || echo 0 >$D/sriov_numvfs
"""
BOUNDARY = "0123456789abcdef" * 2
# What a case changes, and is looked at each time; the system's own rules and the devices stay.
FOLDERS = tuple(folder for folder in FOLDERS_OF_RULES if folder != LIB)
LOOKED_AT: tuple[Source, ...] = (
    *(File(f"{folder}/*") for folder in FOLDERS),
    *(Links(f"{folder}/*") for folder in FOLDERS),
    File("/etc/udev/*.rules"),
)
# The first PF of kvm-1 once more, under Debian 12's kernel and udev.
OLD_MACHINE = Machine(
    "q35",
    ("-device", "pcie-root-port,id=rp,chassis=4,addr=4", "-device", "igb,bus=rp,mac=52:54:00:77:02:00,romfile="),
)


@dataclass(frozen=True)
class Outcome:
    """A case, what we say of it, and what happened: numbers of VFs when the driver comes late, and early."""

    case: Case
    forecast: tuple[int | None, int | None]
    real: tuple[int, int]

    def __str__(self) -> str:
        said, real = (f"{late!s:>4} {early!s:>4}" for late, early in (self.forecast, self.real))
        agree = "yes" if self.forecast == self.real else "NO"
        return f"{self.case.kind:4} {self.case.name:36} {said}   {real}   {agree}"


@pytest.fixture(scope="module")
def pf_host() -> Iterator[Lab]:
    """kvm-1 with nobody on its VFs, resumed from the state that the `sriov` lab saves."""
    with session.running(str(TOPOLOGY)) as lab:
        lab.output("kvm-1", SETUP, timeout_s=60)
        yield lab
        lab.output("kvm-1", BACK, timeout_s=60)


def steps(number: int, case: Case) -> str:
    put = [f"printf %s {shlex.quote(text)} >{shlex.quote(path)}" for path, text in case.paths().items()]
    put += [f"ln -s {shlex.quote(target)} {shlex.quote(path)}" for path, target in case.link_paths().items()]
    paths = (*case.paths(), *case.link_paths())
    folders = sorted({path.rsplit("/", 1)[0] for path in paths})
    take = f"rm -f {' '.join(shlex.quote(path) for path in paths)}"
    return PLAY.format(pf=PF, number=number, put="\n".join([f"mkdir -p {' '.join(folders)}", *put]), take=take)


def packed(sources: Sequence[Source]) -> str:
    """A shell command that prints what our gather reads, on one line."""
    text = script(sources, BOUNDARY, sudo=False).decode()
    return f"sh -c {shlex.quote(text)} </dev/null | gzip -c | base64 | tr -d '\\n'"


def bundle_of(line: str, machine: str, sources: tuple[Source, ...]) -> Bundle:
    return Bundle(Envelope(machine, datetime.now(UTC), BOUNDARY, sources), gzip.decompress(base64.b64decode(line)))


def whole_script(cases: Sequence[Case]) -> str:
    look = f"look() {{ {packed(LOOKED_AT)}; }}\n"
    return look + "".join(steps(number, case) for number, case in enumerate(cases))


def outcomes_of(answer: str, cases: Sequence[Case], whole: Bundle) -> list[Outcome]:
    """What was played, with what we say of the files that lay there."""
    system = {path: text for path, text in udev.rule_files(whole).texts.items() if path.startswith(f"{LIB}/")}
    outcomes = []
    for line in answer.splitlines():
        word, *rest = line.split(" ")
        if word != "played":
            continue
        number, late, early, looked = rest
        files = udev.rule_files(bundle_of(looked, whole.machine, LOOKED_AT), FOLDERS)
        facts = udev.judge(RuleFiles({**system, **files.texts}, files.masks), whole)
        expected = next(one for one in facts.forecasts if one.address == PF)
        outcomes.append(Outcome(cases[int(number)], (expected.late, expected.early), (int(late), int(early))))
    assert len(outcomes) == len(cases), answer[-2000:]
    return outcomes


def held_against(lab: Lab, cases: Sequence[Case]) -> list[Outcome]:
    machine = load(lab.inventory).hosts["kvm-1"]
    whole = gather(Order("kvm-1", machine, udev.SOURCES))
    said = lab.ssh("kvm-1", "sh -s", stdin=whole_script(cases), timeout_s=60 + 30 * len(cases))
    assert said.returncode == 0, said.stderr
    return told(outcomes_of(said.stdout, cases, whole), "systemd 257 (kvm-1)")


def held_against_debian_12(cases: Sequence[Case]) -> list[Outcome]:
    """The same in a machine of a few seconds: what it answers has the whole gather first."""
    tree = images.host(print).tree
    ask = f"echo whole $({packed(udev.SOURCES)})\n{SETUP_OLD}{whole_script(cases)}true\n"
    answer = boot(
        udev_image("bookworm", tree, print), tree, OLD_MACHINE, ask=ask, cmdline="intel_iommu=on",
        timeout_s=120 + 30 * len(cases),
    )  # fmt: skip
    first = next(line for line in answer.splitlines() if line.startswith("whole "))
    whole = bundle_of(first.split(" ")[1].strip(), "debian-12", udev.SOURCES)
    return told(outcomes_of(answer.replace("\r", ""), cases, whole), "systemd 252 (Debian 12)")


def told(outcomes: list[Outcome], where: str) -> list[Outcome]:
    print(f"\n{where}: {len(outcomes)} cases\n{'':4} {'case':36} forecast    real    agree   (late, early)")
    print("\n".join(str(outcome) for outcome in outcomes))
    return outcomes


def wrong(outcomes: Sequence[Outcome]) -> list[str]:
    """What we told otherwise, and what we should have told."""
    return [str(outcome) for outcome in outcomes if outcome.forecast != outcome.real]


def test_forecasts_of_telling_cases_equal_what_udevd_does(pf_host: Lab):
    outcomes = held_against(pf_host, [case for case in CASES if case.telling])
    assert not wrong(outcomes), "\n".join(wrong(outcomes))
    # Both kinds of result are there, so an evaluator that always says the same does not pass.
    assert {number for outcome in outcomes for number in outcome.real} >= {0, 2}


@pytest.mark.long
def test_forecasts_of_all_cases_equal_what_udevd_does(pf_host: Lab):
    outcomes = held_against(pf_host, CASES)
    assert not wrong(outcomes), "\n".join(wrong(outcomes))


@pytest.mark.long
def test_forecasts_of_telling_cases_equal_what_debian_12s_udevd_does():
    outcomes = held_against_debian_12([case for case in CASES if case.telling])
    assert not wrong(outcomes), "\n".join(wrong(outcomes))
    assert {number for outcome in outcomes for number in outcome.real} >= {0, 2}


@pytest.mark.long
def test_forecasts_of_all_cases_equal_what_debian_12s_udevd_does():
    outcomes = held_against_debian_12(CASES)
    assert not wrong(outcomes), "\n".join(wrong(outcomes))
