"""The observer's side on a real wire: two network namespaces that this test owns."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks.local import LocalConnection
from failover import watch as watching
from failover.capture import CaptureFailed
from failover.drill import _why_not_to_judge
from failover.frames import Kind, Tokens
from failover.observer import ObserverNotReady, latest_mac, look
from failover.places import CouldNotMeasure, Place, entered
from failover.result import DrillResult
from failover.sending import kept_schedule
from failover.timeline import Announced, Scene, Switched, measure
from inventory.model import Observer
from tests.failover.wire import garp, na

HERE, THERE, THERE6 = "10.9.0.1", "10.9.0.2", "fd09::2"
ANNOUNCED = (Announced(-1, THERE), Announced(-1, THERE6))
BUILD = """
unshare --net sh -c 'echo "$$"; exec sleep 300' >"$1" &
while [ ! -s "$1" ]; do sleep 0.02; done
peer=$(cat "$1")
ip link add v0 type veth peer name v0 netns "$peer"
ip addr add 10.9.0.1/24 dev v0 && ip addr add fd09::1/64 dev v0 nodad && ip link set v0 up
nsenter --net=/proc/$peer/ns/net sh -c '
ip addr add 10.9.0.2/24 dev v0 && ip addr add fd09::2/64 dev v0 nodad && ip link set v0 up && ip link set lo up'
ip link add idle type veth peer name idle2
echo "ready $peer"
cat >/dev/null
kill "$peer"
"""
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or any(shutil.which(program) is None for program in ("tcpdump", "ping", "nsenter", "unshare", "ip")),
    reason="needs root, tcpdump, ping, ip, nsenter and unshare here",
)


@dataclass
class Cable:
    """A veth between two namespaces: the observer's and the other end's."""

    observer: Observer
    other: tuple[str, ...]

    def place(self) -> Place:
        return Place(LocalConnection("watcher"), entered(self.observer))

    def there(self, *words: str) -> None:
        subprocess.run([*self.other, *words], check=True)


@pytest.fixture(scope="module")
def cable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cable]:
    mark = tmp_path_factory.mktemp("cable") / "peer"
    words = ["unshare", "--net", "sh", "-c", BUILD, "build", str(mark)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        said = holder.stdout.readline()
        assert said.startswith("ready "), said
        peer = said.split()[1]
        observer = Observer(interface="v0", namespace=f"/proc/{holder.pid}/ns/net")
        yield Cable(observer, ("nsenter", f"--net=/proc/{peer}/ns/net"))
        holder.stdin.close()


def started(cable: Cable, to: io.BytesIO | None = None, interval_ms: float = 5) -> watching.Watch:
    watcher = look("watcher", cable.place(), "v0", sudo=False)
    return watching.start(watcher, ANNOUNCED, interval_ms, 30, to or io.BytesIO())


def test_probes_and_answers_are_captured_and_the_pcap_says_the_same(cable: Cable, tmp_path: Path) -> None:
    evidence = io.BytesIO()
    watch = started(cable, evidence)
    begun = len(watch.capture.frames)  # those of a fresh wire wait for its first neighbour entries
    watch.let_pass(1)
    assert watching.steady(watch.capture.frames, watch.probed)
    watch.stop()
    assert watch.capture.dropped() == 0
    file = tmp_path / "a.pcap"
    file.write_bytes(evidence.getvalue())
    for kind, terms in ((Kind.ECHO_REQUEST, "icmp[0] == 8 or ip6[40] == 128"), (Kind.ECHO_REPLY, "icmp[0] == 0")):
        lines = subprocess.run(["tcpdump", "-nr", file, terms], capture_output=True, check=True).stdout.splitlines()
        family = [frame for frame in watch.capture.frames if frame.kind is kind]
        if kind is Kind.ECHO_REPLY:
            family = [frame for frame in family if frame.address == THERE]
        assert len(lines) == len(family) > 100
    probes_sent = [f for f in watch.capture.frames if f.kind is Kind.ECHO_REQUEST and f.towards == THERE]
    scene = Scene(ANNOUNCED, watch.probed, "", "")
    rest = watch.frames_since(begun)
    for probes in measure(rest, scene, Switched(rest[len(rest) // 2].at_ns, None, "")).probes:
        assert (probes.lost, probes.baseline_lost) == (0, 0)
    kept = kept_schedule(watch.probes[0].output)
    assert kept is not None
    assert [frame.sequence for frame in probes_sent] == list(range(kept["sent"]))  # what it says is on the wire
    assert f"{kept['sent']} sent" in watch.how_sent()


def test_where_there_is_no_python_ping_sends_the_probes(cable: Cable) -> None:
    watcher = replace(look("watcher", cable.place(), "v0", sudo=False), python="")
    watch = watching.start(watcher, ANNOUNCED, 5, 30, io.BytesIO())
    watch.let_pass(0.5)
    watch.stop()
    assert len(watch.probes) == 2
    assert watch.how_sent().startswith("observer watcher: a probe every 5 ms by ping (there is no Python 3")
    assert {frame.sequence for frame in watch.capture.frames if frame.kind is Kind.ECHO_REPLY} >= set(range(1, 20))


def test_a_sender_that_may_not_open_raw_sockets_is_not_taken(cable: Cable) -> None:
    bound = subprocess.run(["capsh", "--print"], capture_output=True, check=False) if shutil.which("capsh") else None
    if bound is None:
        pytest.skip("capsh is not here to take the right away")
    place = Place(LocalConnection("watcher"), (*entered(cable.observer), "capsh", "--drop=cap_net_raw", "--"))
    place = replace(place, enter=(*place.enter, "-c", 'exec "$0" "$@"'))
    assert look("watcher", place, "v0", sudo=False).python == ""


def test_a_silence_is_measured_as_long_as_it_was(cable: Cable) -> None:
    watch = started(cable)
    watch.let_pass(0.5)
    asked_ns = time.time_ns()
    switch = "/proc/sys/net/ipv4/icmp_echo_ignore_all"
    cable.there("bash", "-c", f"echo 1 >{switch}; sleep 0.3; echo 0 >{switch}")
    back_ns = time.time_ns()
    watch.let_pass(0.5)
    assert watch.capture.wait_until(lambda: watching.steady(watch.capture.frames, (THERE,)), 10)
    watch.stop()
    scene = Scene(ANNOUNCED, (THERE, THERE6), "", "")
    four, six = measure(watch.capture.frames, scene, Switched(asked_ns, None, "")).probes
    assert not four.still_out
    assert four.lost > 20
    assert 300 - 10 < four.gap_ms < (back_ns - asked_ns) / 1e6 + 10
    assert six.lost == 0


def test_announcements_are_seen_untagged_and_tagged(cable: Cable) -> None:
    watch = started(cable)
    frames = [bytes(garp("10.9.0.77")), bytes(garp("10.9.0.77", vlan=77)), bytes(na("fd09::77"))]
    send = "import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind(('v0', 0))\n"
    send += "[s.send(bytes.fromhex(text)) for text in sys.argv[1:]]"
    cable.there(sys.executable, "-c", send, *(frame.hex() for frame in frames))
    assert watch.capture.wait_until(lambda: any(frame.kind is Kind.UNSOLICITED_NA for frame in watch.capture.frames), 5)
    watch.stop()
    seen = [(frame.kind, frame.vlan) for frame in watch.capture.frames]
    assert {(Kind.GARP, None), (Kind.GARP, 77), (Kind.UNSOLICITED_NA, None)} <= set(seen)
    assert watch.visible() == ANNOUNCED


def test_a_marker_from_the_other_end_times_the_switch(cable: Cable) -> None:
    watch = started(cable)
    cable.there("bash", "-c", f"printf %s {watch.tokens.marker.decode()} >/dev/udp/{HERE}/9")
    assert watch.capture.wait_until(lambda: any(frame.kind is Kind.MARKER for frame in watch.capture.frames), 5)
    watch.stop()


def test_the_observers_own_entry_is_watched(cable: Cable) -> None:
    watch = started(cable)
    assert watch.capture.wait_until(lambda: latest_mac(watch.neighbours.output, THERE) != "", 5)
    watch.stop()
    scene = Scene(ANNOUNCED, watch.probed, "", "")
    move = watch.moves(scene, Switched(time.time_ns(), None, ""))[0]
    assert move.address == THERE
    assert move.before == move.after
    assert len(move.before) == 17


def test_nothing_is_left_running_after_the_controller_was_killed(cable: Cable, tmp_path: Path) -> None:
    program = (
        "import io, sys, time\n"
        "from inventory.model import Observer\n"
        "from tests.failover import test_observer_here as here\n"
        "watch = here.started(here.Cable(Observer.model_validate_json(sys.argv[1]), ()))\n"
        "print('watching', watch.tokens.probe.decode(), flush=True)\n"
        "time.sleep(60)\n"
    )
    words = [sys.executable, "-c", program, cable.observer.model_dump_json()]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": root}
    ) as child:
        assert child.stdout is not None
        token = child.stdout.readline().split()[1]
        assert _running(token)
        child.send_signal(signal.SIGKILL)
    until = time.monotonic() + 5
    while _running(token) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _running(token)


def _running(word: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word in line and "SCHED_RR" in line:
            found.append(line)
    return found


def test_an_interface_that_is_not_there_is_named(cable: Cable) -> None:
    with pytest.raises(ObserverNotReady, match="observer watcher: there is no interface nic9"):
        look("watcher", cable.place(), "nic9", sudo=False)


def test_an_interface_that_is_down_is_named(cable: Cable) -> None:
    with pytest.raises(ObserverNotReady, match="interface idle is down"):
        look("watcher", cable.place(), "idle", sudo=False)


def test_a_namespace_that_is_not_there_is_named() -> None:
    with pytest.raises(CouldNotMeasure, match="there is no namespace /run/netns/no-such on this machine"):
        entered(Observer(interface="v0", namespace="no-such"))


def test_a_missing_program_is_named_with_its_package(cable: Cable, tmp_path: Path) -> None:
    for program in ("sh", "ip", "tr", "id", "cat", "ping"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    place = Place(LocalConnection("watcher"), (*entered(cable.observer), "env", f"PATH={tmp_path}"))
    with pytest.raises(ObserverNotReady, match="has no tcpdump"):
        look("watcher", place, "v0", sudo=False)


def test_an_observer_without_an_address_near_the_guest_says_which_it_has(cable: Cable) -> None:
    watcher = look("watcher", cable.place(), "v0", sudo=False)
    with pytest.raises(CouldNotMeasure, match=r"10\.9\.0\.1/24.* is on a network of the guest's \(192\.0\.2\.1\)"):
        watching.start(watcher, (Announced(-1, "192.0.2.1"),), 5, 30, io.BytesIO())


def test_frames_that_the_capture_lost_are_counted_and_nothing_is_judged(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("failover.capture.BUFFER_KIB", 32)
    watch = started(cable, interval_ms=1)
    ours = Path(cable.observer.namespace or "").stat().st_ino
    (tcpdump,) = (pid for pid in _pids("tcpdump") if Path(f"/proc/{pid}/ns/net").stat().st_ino == ours)
    os.kill(tcpdump, signal.SIGSTOP)
    watch.let_pass(1)
    os.kill(tcpdump, signal.SIGCONT)
    watch.let_pass(0.5)
    watch.stop()
    assert watch.capture.dropped() > 0
    why = _why_not_to_judge(DrillResult("guest", "bond0", "switch", (), None, None), [watch])
    assert why is not None
    assert "frames were dropped by the capture of watcher: what was not seen proves nothing" in why


def _pids(program: str) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/comm"):
        try:
            found += [int(file.parent.name)] if file.read_text().strip() == program else []
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_a_capture_that_may_not_start_says_why(cable: Cable) -> None:
    watcher = look("watcher", cable.place(), "v0", sudo=False)
    capture = watcher.capture(["10.9.0.300"], Tokens.fresh(), io.BytesIO())
    with pytest.raises(CaptureFailed, match=r"10\.9\.0\.300"):
        capture.wait_until_listening(10)
    with pytest.raises(CaptureFailed, match="did not say"):
        capture.close()
        capture.dropped()
