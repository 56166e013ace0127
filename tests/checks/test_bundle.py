"""The bundle: what it tells apart, and that no bytes make it do anything but answer or say NotABundle."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.bundle import (
    Bundle,
    CommandFailed,
    Denied,
    NotABundle,
    NotGathered,
    ReadFailed,
    TimedOut,
    Truncated,
)
from checks.contents import found_by, matches
from checks.facts.known import shared
from checks.sections import Malformed, _complaints
from checks.source import Attributes, Command, File, Links, Names
from checks.stream import Envelope, from_bytes, to_bytes

B = "0123456789abcdef" * 2
SOURCES = (
    Attributes("/sys/class/net/*/mtu"),
    File("/etc/rules/*", limit_bytes=20),
    Links("/sys/class/net/*"),
    Names("/etc/rules"),
    File("/tables/*", binary=True, limit_bytes=4),
    Command("ip link"),
    Command("virsh dumpxml", each_line_of="virsh list"),
    Attributes("/sys/a*"),
)
ALL_DONE = ("done", "0 1 2 3 4 5 6 7")


def answer(*sections: tuple[str, str | bytes], done: tuple[str, str] = ALL_DONE, bye: bool = True) -> bytes:
    rows = [("hello", ""), *sections, done, *([("bye", "")] if bye else [])]
    parts = []
    for tag, payload in rows:
        number = 5 if tag == "cmd" else 0
        parts.append(f"\n{B} {tag} {number}\n".encode() + (payload.encode() if isinstance(payload, str) else payload))
    return b"".join(parts)


def bundle(*sections: tuple[str, str | bytes], done: tuple[str, str] = ALL_DONE, bye: bool = True) -> Bundle:
    envelope = Envelope("kvm-1", datetime(2026, 1, 2, tzinfo=UTC), B, SOURCES)
    return Bundle(envelope, answer(*sections, done=done, bye=bye))


def lines(paths: list[str], body: str, err: str = "", rc: int = 0) -> list[tuple[str, str]]:
    return [("list", "".join(f"{path}\0" for path in paths)), ("lines", body), ("err", f"{err}\nrc {rc}")]


class TestOf:
    def test_what_is_mentioned_is_there_and_the_rest_is_missing(self):
        found = Bundle.of(
            "kvm-1",
            files={"/a": "x\n", "/b/no-newline": "y", "/c": b"\0\xff"},
            links={"/l/1": "../x -> y", "/l/2": "z"},
            names={"/d": ["b", "a"], "/e": [], "/f": ["q", "p"]},
            commands={"ip link": "1: lo\n", "virsh dumpxml vm 1": "<domain/>"},
        )
        assert (found.text("/a"), found.text("/b/no-newline"), found.text("/nothing")) == ("x\n", "y", None)
        assert (found.data("/c"), found.data("/nothing")) == (b"\0\xff", None)
        assert found.links("/l/*") == {"/l/1": "../x -> y", "/l/2": "z"}
        assert found.link("/l/3") is None
        assert (found.names("/d"), found.names("/e/"), found.names("/f"), found.names("/g")) == (
            ("a", "b"),
            (),
            ("p", "q"),
            None,
        )
        assert (found.output("ip link"), found.output("nothing")) == ("1: lo\n", None)
        assert found.outputs("virsh dumpxml") == {"vm 1": "<domain/>"}
        assert found.problems() == ()
        assert found.machine == "kvm-1"

    def test_denied_is_not_missing(self):
        found = Bundle.of(files={"/etc/a/x": "1"}, denied=["/etc/secret", "dmesg"])
        for ask in (
            lambda: found.text("/etc/secret"),
            lambda: found.text("/etc/secret/deep/below"),
            lambda: found.texts("/etc/*/x"),
            lambda: found.names("/etc/secret"),
            lambda: found.link("/etc/secret/x"),
            lambda: found.output("dmesg"),
        ):
            with pytest.raises(Denied, match="not allowed"):
                ask()
        assert found.text("/etc/secretly") is None
        assert [problem.status for problem in found.problems()] == ["denied", "denied"]

    def test_a_failed_command_says_so(self):
        with pytest.raises(
            CommandFailed, match=r"host: 'ip link' failed with exit status 3 \(no such thing\)"
        ) as caught:
            Bundle.of(commands={"ip link": (3, "no such thing\nmore\n")}).output("ip link")
        assert (caught.value.rc, caught.value.stderr) == (3, "no such thing")

    def test_globs_stop_at_slashes(self):
        found = Bundle.of(files={"/a/b": "1", "/a/b/c": "2", "/a/x": "3"})
        assert found.texts("/a/*") == {"/a/b": "1", "/a/x": "3"}
        assert found.texts("/a/[xy]") == {"/a/x": "3"}


class TestAnswer:
    def test_colons_newlines_and_forged_lines_in_names_and_texts(self):
        eth = "/sys/class/net/0000:01:00.0/mtu"
        odd = "/sys/class/net/a\nb/mtu"
        body = f"{eth}:{B[:-1]} bye 0\n{eth}:/sys/class/net/a\n{eth}:b/mtu:9\n{odd}:7\n"
        found = bundle(*lines([eth, odd, "/sys/class/net/empty/mtu"], body))
        assert found.text(eth) == f"{B[:-1]} bye 0\n{odd}:9\n"  # it tries to pass for the other file
        assert found.text(odd) == "7\n"
        assert found.text("/sys/class/net/empty/mtu") == ""
        assert found.text("/sys/class/net/gone/mtu") is None

    def test_lines_of_nobody_spoil_their_group_and_nothing_else(self):
        found = bundle(*lines(["/sys/a1"], "/sys/a1:x\nwhence?\n"), *lines(["/sys/a2"], "/sys/a2:x\n"))
        assert found.text("/sys/a2") == "x\n"
        with pytest.raises(ReadFailed):
            found.text("/sys/a1")

    def test_two_names_that_grep_prints_alike_are_not_guessed(self):
        found = bundle(*lines(["/sys/a", "/sys/a:b"], "/sys/a:b:c\n"))
        with pytest.raises(ReadFailed, match="neighbour"):
            found.text("/sys/a")

    def test_a_file_named_by_two_sources_is_there_once(self):
        found = bundle(*lines(["/sys/a1", "/sys/a1"], "/sys/a1:x\n/sys/a1:x\n"))
        assert found.text("/sys/a1") == "x\n"

    @pytest.mark.parametrize(
        ("said", "error"),
        [("Permission denied", Denied), ("Input/output error", ReadFailed), ("Stale file handle", ReadFailed)],
    )
    def test_a_refused_read_is_raised(self, said, error):
        found = bundle(*lines(["/sys/a1", "/sys/a2"], "/sys/a2:x\n", f"grep: /sys/a1: {said}\n", 123))
        assert found.text("/sys/a2") == "x\n"
        with pytest.raises(error, match=f"/sys/a1' .*{said}"):
            found.text("/sys/a1")
        with pytest.raises(error):
            found.texts("/sys/a*")
        assert [problem.source for problem in found.problems()] == ["/sys/a1"]

    @pytest.mark.parametrize("said", ["Invalid argument", "Operation not supported", "No such file or directory"])
    def test_an_attribute_without_a_value_is_none(self, said):
        found = bundle(*lines(["/sys/a1"], "", f"grep: /sys/a1: {said}\n", 123))
        assert found.text("/sys/a1") is None
        assert found.texts("/sys/a*") == {}

    def test_a_group_that_hung_is_never_taken_for_missing(self):
        found = bundle(*lines(["/sys/a1", "/sys/a2"], "/sys/a1:x", "", 124))
        with pytest.raises(TimedOut):
            found.texts("/sys/a*")

    def test_single_reads_after_a_group_that_hung(self):
        again = [
            ("item", "/sys/a1"),
            ("out", "x\n"),
            ("err", "\nrc 0"),
            ("item", "/sys/a2"),
            ("out", ""),
            ("err", "\nrc 124"),
        ]
        found = bundle(*lines(["/sys/a1", "/sys/a2"], "", "", 124), *again)
        assert found.text("/sys/a1") == "x\n"
        with pytest.raises(TimedOut, match="/sys/a2"):
            found.text("/sys/a2")

    def test_more_than_the_limit_is_truncated(self):
        found = bundle(*lines(["/etc/rules/1", "/etc/rules/2"], "/etc/rules/1:" + "x" * 20 + "\n/etc/rules/2:x\n"))
        assert found.text("/etc/rules/2") == "x\n"
        with pytest.raises(Truncated, match="20 bytes"):
            found.text("/etc/rules/1")

    def test_binary_travels_as_hex(self):
        hexed = [("item", "/tables/T"), ("hex", " 00 ff\n 10\n"), ("err", "\nrc 0")]
        assert bundle(*hexed).data("/tables/T") == b"\0\xff\x10"
        with pytest.raises(Truncated):
            bundle(("item", "/tables/T"), ("hex", "00 " * 5), ("err", "\nrc 0")).data("/tables/T")
        with pytest.raises(ReadFailed, match="damaged"):
            bundle(("item", "/tables/T"), ("hex", "zz"), ("err", "\nrc 0")).data("/tables/T")

    def test_bytes_that_are_no_utf8_can_be_printed(self):
        found = bundle(("list", "/sys/a1\0"), ("lines", b"/sys/a1:\xff\n"), ("err", "\nrc 0"))
        assert found.text("/sys/a1") == "\\xff\n"

    def test_nobody_looked_is_an_error(self):
        found = bundle()
        for ask in (lambda: found.text("/etc/passwd"), lambda: found.texts("/etc/*"), lambda: found.output("id")):
            with pytest.raises(NotGathered, match=r"did not (look for|run)"):
                ask()
        assert found.text("/sys/class/net/lo/mtu") is None

    def test_a_closed_directory_hides_what_a_glob_did_not_find(self):
        found = bundle(("closed", "/etc/rules"))
        with pytest.raises(Denied):
            found.texts("/etc/rules/*")
        with pytest.raises(Denied):
            found.names("/etc/rules")
        assert found.text("/sys/a1") is None

    def test_root_reads_again_what_was_denied(self):
        found = bundle(("closed", "/etc/rules"), ("again", ""), *lines(["/etc/rules/1"], "/etc/rules/1:x\n"))
        assert found.texts("/etc/rules/*") == {"/etc/rules/1": "x\n"}

    def test_a_gather_that_was_cut_short_keeps_what_it_has(self):
        found = bundle(*lines(["/sys/a1"], "/sys/a1:x\n"), done=("done", "0 7"), bye=False)
        assert found.text("/sys/a1") == "x\n"
        with pytest.raises(TimedOut, match="cut short"):
            found.output("ip link")
        assert {problem.source for problem in found.problems()} >= {"ip link", "/etc/rules/*"}

    @pytest.mark.parametrize(
        ("rc", "said", "error"),
        [(1, "dmesg: Operation not permitted", Denied), (124, "", TimedOut), (2, "usage: ip", CommandFailed)],
    )
    def test_commands_that_fail(self, rc, said, error):
        with pytest.raises(error):
            bundle(("item", "ip link"), ("cmd", "half"), ("err", f"{said}\nrc {rc}")).output("ip link")

    def test_a_missing_program(self):
        assert bundle(("item", "ip link"), ("cmd", ""), ("err", "\nrc 127")).output("ip link") is None

    @pytest.mark.parametrize(
        "raw", [b"", b"bash: sh: command not found\n", answer()[:20], answer().replace(b" bye ", b" hug ")]
    )
    def test_no_answer_of_a_gather(self, raw):
        with pytest.raises(NotABundle, match="kvm-1: the answer is not that of a gather"):
            Bundle(Envelope("kvm-1", datetime.now(UTC), B, SOURCES), raw)


class TestFile:
    def test_round_trip(self, tmp_path):
        path = tmp_path / "kvm-1.vfb.gz"
        taken = bundle(*lines(["/sys/a1"], "/sys/a1:x\n"))
        taken.save(path)
        assert path.stat().st_mode & 0o777 == 0o600
        again = Bundle.load(path)
        assert (again.machine, again.taken_at, again.format_version) == ("kvm-1", taken.taken_at, 1)
        assert again.text("/sys/a1") == "x\n"
        with pytest.raises(NotGathered):
            again.text("/nowhere")

    def test_a_bomb_is_not_unpacked(self, tmp_path):
        path = tmp_path / "bomb.gz"
        path.write_bytes(gzip.compress(b"\0" * (200 * 1024 * 1024), compresslevel=9))
        with pytest.raises(NotABundle, match="larger than any bundle"):
            Bundle.load(path)

    def test_another_version_is_named(self, tmp_path):
        path = tmp_path / "new.gz"
        path.write_bytes(gzip.compress(b'{"vfproof-bundle": 99}\n'))
        with pytest.raises(NotABundle, match="format is 99"):
            Bundle.load(path)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(NotABundle, match="No such file"):
            Bundle.load(tmp_path / "none")

    @pytest.mark.parametrize("cut", [0, 1, 10, 50, -1])
    def test_a_cut_file(self, tmp_path, cut):
        path = tmp_path / "cut.gz"
        path.write_bytes(bundle().packed()[:cut])
        with pytest.raises(NotABundle):
            Bundle.load(path)


TAGS = st.sampled_from(
    [
        "hello",
        "list",
        "lines",
        "ls",
        "err",
        "item",
        "out",
        "hex",
        "cmd",
        "dirs",
        "closed",
        "unread",
        "again",
        "note",
        "done",
        "bye",
        "x",
    ]
)
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"\nrc 0", b"\nrc 124", b"grep: /a: Permission denied\nrc 2", b"/a\0/a:b\0", b"/a:b\n", b"D/x\0Ny\0", b"0 1"]
    ),
)
SECTIONS = st.lists(st.tuples(TAGS, st.integers(0, 10), PAYLOADS), max_size=12)


def ask_everything(found: Bundle) -> None:
    found.problems()
    for ask in (
        lambda: found.texts("/sys/a*"),
        lambda: found.names("/etc/rules"),
        lambda: found.links("/sys/class/net/*"),
        lambda: found.outputs("virsh dumpxml"),
        lambda: found.output("ip link"),
        lambda: found.data("/tables/x"),
    ):
        try:
            ask()
        except (Denied, TimedOut, Truncated, ReadFailed, CommandFailed):
            continue


@settings(max_examples=300, deadline=None)
@given(sections=SECTIONS, sources=st.sampled_from([SOURCES, None, ()]))
def test_any_sections_answer_or_are_no_bundle(sections, sources):
    raw = f"\n{B} hello 0\n".encode() + b"".join(f"\n{B} {t} {n}\n".encode() + p for t, n, p in sections)
    try:
        found = Bundle(Envelope("h", datetime.now(UTC), B, sources), raw)
    except NotABundle:
        return
    if sources == SOURCES:
        ask_everything(found)


@settings(max_examples=200, deadline=None)
@given(packed=st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(gzip.compress)))
def test_any_bytes_are_no_bundle(packed):
    with pytest.raises(Malformed):
        from_bytes(packed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "path", "line", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(machine=JSON, taken=JSON | st.just("2026-01-02T00:00:00+00:00"), boundary=JSON, sources=JSON)
def test_any_envelope_is_one_or_is_no_bundle(machine, taken, boundary, sources):
    head = {"vfproof-bundle": 1, "machine": machine, "taken_at": taken, "boundary": boundary, "sources": sources}
    try:
        envelope, _ = from_bytes(gzip.compress(json.dumps(head).encode() + b"\n"))
    except Malformed:
        return
    assert from_bytes(to_bytes(envelope, b""))[0] == envelope


def test_a_deeply_nested_envelope():
    with pytest.raises(Malformed):
        from_bytes(gzip.compress(b"[" * 100_000 + b"\n"))


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "File", "path": "/a", "limit_bytes": "x"},
        {"kind": "File", "path": "/a", "keep": 7},
        {"kind": "File", "path": "/\ud800"},
        {"kind": "Command", "line": "x" * 5000},
        {"kind": "Command", "line": "ip link", "timeout_s": -1},
    ],
)
def test_sources_that_no_gather_writes(source):
    head = {"vfproof-bundle": 1, "machine": "h", "taken_at": "2026-01-02T00:00:00+00:00", "boundary": B}
    with pytest.raises(Malformed, match="its envelope is damaged"):
        from_bytes(json.dumps(head | {"sources": [source]}).encode() + b"\n")


def test_a_million_sections_end_soon():
    begun = time.monotonic()
    raw = f"\n{B} hello 0\n".encode() + f"\n{B} again 1\n".encode() * 1_000_000
    with pytest.raises(NotABundle, match="more than 100000 sections"):
        Bundle(Envelope("h", datetime.now(UTC), B, SOURCES), raw)
    assert time.monotonic() - begun < 3


def test_a_masked_text_that_does_not_end_was_cut_off():
    body = (("item", "/etc/rules/1"), ("out", "x"))
    cut = answer(*body, ("err", "\nrc 0")).replace(f"{B} err 0".encode(), f"{B} err 1".encode())
    whole = answer(*body, ("whole", ""), ("err", "\nrc 0")).replace(f"{B} err 0".encode(), f"{B} err 1".encode())
    envelope = Envelope("h", datetime.now(UTC), B, SOURCES)
    assert Bundle(envelope, whole).text("/etc/rules/1") == "x"
    with pytest.raises(Truncated):
        Bundle(envelope, cut).text("/etc/rules/1")


class TestGlobs:
    names = st.text("ab:.*?[]1\U0010ffff", max_size=4)

    @given(st.lists(st.lists(names, max_size=3).map("/".join)), st.lists(names, max_size=3).map("/".join))
    def test_finds_what_matches_and_nothing_else(self, paths, pattern):
        table = dict.fromkeys(sorted(paths))
        assert found_by(table, list(table), pattern) == [path for path in table if matches(path, pattern)]


def test_what_is_made_of_a_bundle_is_made_once():
    made = []

    @shared
    def parse(bundle):
        made.append(bundle.machine)
        return bundle.text("/a")

    one, other = (Bundle.of(machine, files={"/a": machine}) for machine in ("one", "other"))
    assert [parse(bundle) for bundle in (one, other, one)] == ["one", "other", "one"]
    assert made == ["one", "other"]


def test_an_exit_status_with_a_separator_behind_it_is_a_number():
    assert _complaints(b"grep: /x: gone\nrc 2\x1f\n") == ("grep: /x: gone", 2)
