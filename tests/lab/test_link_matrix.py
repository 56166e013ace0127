""".link files against udevd itself: it meets an emulated PF (82576, igb), VFs are counted, our forecast is compared.

All cases of one systemd are played in one machine. There the driver always comes after udevd: the late way of booting
(see `checks.linux.sriov_forecast`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from checks.facts import persistence, udev
from checks.linux.vf_outlook import outlook
from lab import images
from lab.udev_image import udev_image
from lab.udev_machine import Machine, boot
from tests.checks.persistence_host import bundle
from tests.checks.test_vfs import PF

pytestmark = pytest.mark.lab
MAC = "52:54:00:00:00:01"
# An emulated PF needs the window below 4 GiB for its VFs, and a bus of their own: both are there behind a root port.
MACHINE = Machine(
    "q35",
    ("-device", "pcie-root-port,id=rp,chassis=1,addr=4", "-device", f"igb,bus=rp,romfile=,mac={MAC}"),
)
ETC, RUN, LIB = (f"{top}/systemd/network" for top in ("/etc", "/run", "/usr/lib"))
TWO = "SR-IOVVirtualFunctions=2\n"
BODY = f"\n[Link]\nNamePolicy=keep kernel\n{TWO}"
RULE = f'ACTION=="add", SUBSYSTEM=="net", KERNELS=="{PF}", ATTR{{device/sriov_numvfs}}="3"\n'


@dataclass(frozen=True)
class Case:
    """Files by path, and links to /dev/null. `telling`: part of every run."""

    name: str
    files: dict[str, str]
    masks: tuple[str, ...] = field(default=())
    telling: bool = False


def match(text: str, name: str = "10-case.link", *, telling: bool = False) -> Case:
    return Case(f"{text!r} in {name}", {f"{ETC}/{name}": f"[Match]\n{text}{BODY}"}, telling=telling)


def link(name: str, text: str, *, telling: bool = False) -> Case:
    return Case(name, {f"{ETC}/10-case.link": f"[Match]\nPath=pci-{PF}\n{text}"}, telling=telling)


def named(name: str, count: int, policy: str) -> str:
    return f"[Match]\nOriginalName={name}\n[Link]\n{policy}\nSR-IOVVirtualFunctions={count}\n"


CASES = (
    match(f"Path=pci-{PF}"),
    match("Path=pci-0000:01:*"),
    match("Path=pci-0000:09:00.0"),
    match(f"Path=!pci-{PF}"),
    match("Path=!pci-0000:09:00.0 pci-0000:08:00.0"),
    match(f"Path=!pci-0000:09:00.0 pci-{PF}"),
    match("Driver=igb"),
    match("Driver=ixgbe", telling=True),
    match("Driver=ixgbe igb"),
    match("Driver=ixgbe\nDriver=igb"),
    match("Driver=igb\nDriver="),
    match("Driver=ixgbe \\\n# between\n igb"),
    match("OriginalName=enp1s0", telling=True),
    match("OriginalName=eth*"),
    match("OriginalName=*"),
    match("OriginalName=!lo"),
    match(f"PermanentMACAddress={MAC}"),
    match(f"MACAddress={MAC.replace(':', '-')}"),
    match("MACAddress=5254.0000.0001"),
    match("MACAddress=52:54:00:00:00:99"),
    match("Type=ether"),
    match("Type=wlan"),
    match("Kind=!bond"),
    match("Kind=bond"),
    match(f"Property=ID_PATH=pci-{PF}"),
    match("Property=!ID_PATH=pci-0000:09:00.0"),
    match("Property=ID_NOT_THERE=1"),
    match("KernelCommandLine=no-such-word"),
    match("KernelCommandLine=!no-such-word"),
    match(f"Driver=igb\nPath=pci-{PF}\nType=wlan"),
    match(f"Path=pci-{PF}", "98-case.link"),
    match(f"Path=pci-{PF}", "99-default.link"),
    match(f"Path=pci-{PF}", "99-z.link"),
    match(f"Path=pci-{PF}", "10-case.conf"),
    Case("no [Match]", {f"{ETC}/10-case.link": f"[Link]\n{TWO}"}),
    Case("in /run", {f"{RUN}/10-case.link": f"[Match]\nPath=pci-{PF}{BODY}"}),
    Case("masked", {f"{RUN}/10-case.link": f"[Match]\nPath=pci-{PF}{BODY}"}, (f"{ETC}/10-case.link",)),
    Case("empty", {f"{RUN}/10-case.link": f"[Match]\nPath=pci-{PF}{BODY}", f"{ETC}/10-case.link": ""}),
    Case("drop-in of the default", {f"{ETC}/99-default.link.d/vfs.conf": f"[Link]\n{TWO}"}),
    Case("drop-in of another", {f"{ETC}/98-default.link.d/vfs.conf": f"[Link]\n{TWO}"}),
    Case(
        "another first",
        {
            f"{ETC}/10-a.link": "[Match]\nDriver=igb\n[Link]\nMTUBytes=1400\n",
            f"{ETC}/20-b.link": f"[Match]\nPath=pci-{PF}{BODY}",
        },
    ),
    Case(
        "one by the kernel's name, one by the final name",
        {
            f"{ETC}/10-a.link": named("enp1s0", 2, "NamePolicy=keep path"),
            f"{ETC}/20-b.link": named("eth*", 4, "NamePolicy=keep path"),
        },
        telling=True,
    ),
    Case(
        "the final name, and nothing renames",
        {
            f"{ETC}/10-a.link": named("enp1s0", 2, "NamePolicy=keep path"),
            f"{ETC}/20-b.link": named("eth*", 4, "NamePolicy=keep kernel"),
        },
    ),
    Case(
        "a name given by a file, compared next",
        {
            f"{ETC}/10-a.link": named("uplink", 2, "NamePolicy=keep"),
            f"{ETC}/20-b.link": named("eth*", 4, "Name=uplink"),
        },
    ),
    link("sections", "[SR-IOV]\nVirtualFunction=1\n[SR-IOV]\nVirtualFunction=4\n", telling=True),
    link("sections beside a number", f"[Link]\n{TWO}[SR-IOV]\nVirtualFunction=4\n"),
    link("zero", "[Link]\nSR-IOVVirtualFunctions=0\n"),
    link("as many as there are", "[Link]\nSR-IOVVirtualFunctions=7\n"),
    link("too many", "[Link]\nSR-IOVVirtualFunctions=8\n"),
    link("hexadecimal", "[Link]\nSR-IOVVirtualFunctions=0x3\n"),
    link("a comment behind it", "[Link]\nSR-IOVVirtualFunctions=2 # two\n"),
    link("taken back", f"[Link]\n{TWO}SR-IOVVirtualFunctions=\n"),
    link("in the wrong section", f"[Match]\n{TWO}"),
    Case(
        "a rule before it",
        {f"{ETC}/10-case.link": f"[Match]\nPath=pci-{PF}{BODY}", "/etc/udev/rules.d/10-vfs.rules": RULE},
    ),
    Case(
        "a rule after it",
        {f"{ETC}/10-case.link": f"[Match]\nPath=pci-{PF}{BODY}", "/etc/udev/rules.d/90-vfs.rules": RULE},
    ),
    Case(
        "a rule, and sections for more",
        {
            f"{ETC}/10-case.link": f"[Match]\nPath=pci-{PF}\n[SR-IOV]\nVirtualFunction=4\n",
            "/etc/udev/rules.d/10-vfs.rules": RULE,
        },
    ),
)
SETUP = f"""D=/sys/bus/pci/devices/{PF}
echo 0 >$D/sriov_numvfs
echo 0 >$D/sriov_drivers_autoprobe
"""
PLAY = """echo {pf} >/sys/bus/pci/drivers/igb/unbind
udevadm settle
{put}
udevadm control --reload
echo {pf} >/sys/bus/pci/drivers/igb/bind
udevadm settle
echo "played {number} $(cat $D/sriov_numvfs)"
rm -rf {paths}
"""


def play(number: int, case: Case) -> str:
    """The part of the script for one case."""
    put = [f"mkdir -p {path.rpartition('/')[0]}\ncat >{path} <<'END'\n{text}END" for path, text in case.files.items()]
    put += [f"mkdir -p {path.rpartition('/')[0]}\nln -sf /dev/null {path}" for path in case.masks]
    put = [text.replace("<<'END'\nEND", "</dev/null") for text in put]
    return PLAY.format(pf=PF, put="\n".join(put), number=number, paths=" ".join((*case.files, *case.masks)))


def forecast(case: Case, systemd: int) -> int | None:
    gathered = bundle(case.files, systemd=str(systemd), links=dict.fromkeys(case.masks, "/dev/null"))
    (expected,) = udev.parse(gathered).forecasts
    return outlook(expected, persistence.parse(gathered).of(PF)).late


def held_against(release: str, systemd: int, cases: Sequence[Case]) -> list[str]:
    """Every case in a machine; those of which we tell something else."""
    tree = images.host(print).tree
    script = SETUP + "".join(play(number, case) for number, case in enumerate(cases))
    answer = boot(udev_image(release, tree, print), tree, MACHINE, ask=script, timeout_s=120 + 30 * len(cases))
    made = {int(number): int(count) for number, count in re.findall(r"^played (\d+) (\d+)$", answer, re.MULTILINE)}
    assert made.keys() == set(range(len(cases))), answer[-2000:]
    print(f"\nsystemd {systemd}: {len(cases)} cases\ntold real case")
    wrong = []
    for number, case in enumerate(cases):
        told = forecast(case, systemd)
        print(f"{told!s:>4} {made[number]:>4} {case.name}{'' if told == made[number] else '   NO'}")
        if told != made[number]:
            wrong.append(f"{case.name}: told {told}, and udevd of systemd {systemd} makes {made[number]}")
    assert {0, 2} <= set(made.values())  # a forecast that always says the same does not pass
    return wrong


def test_forecasts_of_telling_link_files_equal_what_udevd_does():
    assert held_against("trixie", 257, [case for case in CASES if case.telling]) == []


@pytest.mark.long
@pytest.mark.parametrize(("release", "systemd"), [("bookworm", 252), ("trixie", 257)])
def test_forecasts_of_all_link_files_equal_what_udevd_does(release: str, systemd: int):
    assert held_against(release, systemd, CASES) == []
