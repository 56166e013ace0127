"""Gathering into a folder, and judging what lies in one: no machine is contacted, and all trouble is one sentence."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.offline.__main__ import main
from checks.source import Attributes
from checks.stream import Envelope, encode, to_bytes

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

INVENTORY = """
hosts:
  kvm-1: {connect: "ssh://kvm-1", ssh_config: config}
  kvm-2: {connect: "ssh://kvm-2", ssh_config: config}
guests:
  guest-1: {connect: "ssh://guest-1", ssh_config: config, host: kvm-1}
"""
CHECKS = '''
def test_host(host_name, host_bundle):
    """It is read."""
    assert host_bundle.machine == host_name
    assert host_bundle.text("/sys/class/net/lo/mtu") == "65536\\n", f"{host_name}: not as wanted"

def test_guest(guest_name, guest_bundle, guest_host_bundle):
    """It is read."""
    assert guest_host_bundle.machine == "kvm-1"
'''
MTU = "/sys/class/net/lo/mtu"


@pytest.fixture
def site(pytester: pytest.Pytester, monkeypatch):
    """A folder with an inventory of machines that leave a trace when somebody so much as tries to reach them."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider -W error\n")
    pytester.makefile(".yaml", inventory=INVENTORY)
    (pytester.path / "config").write_text("Host *\n  ProxyCommand sh -c 'echo tried >>attempts; exit 1'\n")
    (pytester.path / "b").mkdir()
    pytester.makepyfile(test_site=CHECKS)

    def run(*options: str) -> pytest.RunResult:
        plugins = ["-p", "checks.plugin", "-p", "reports.plugin", "--run-folder", "run"]
        return pytester.runpytest_inprocess(*plugins, *(options or ("--inventory", "inventory.yaml", "--bundles", "b")))

    return run


def text(result: pytest.RunResult) -> str:
    return result.stdout.str() + "\n" + result.stderr.str()


def save(folder: Path, name: str, files: dict[str, str], ends: str = ".vfb.gz") -> Path:
    path = folder / f"{name}{ends}"
    Bundle.of(name, files={"/proc/sys/kernel/hostname": f"{name}\n"} | files).save(path)
    return path


def test_bundles_are_judged_and_nobody_is_contacted(site, pytester):
    save(pytester.path / "b", "kvm-1", {MTU: "65536\n"})
    plain = save(pytester.path / "b", "kvm-2", {MTU: "9000\n"}, ".vfb")
    plain.write_bytes(gzip.decompress(plain.read_bytes()))
    save(pytester.path / "b", "guest-1", {})
    result = site()
    result.assert_outcomes(passed=2, failed=1)
    assert "kvm-2: not as wanted" in text(result)
    assert not (pytester.path / "attempts").exists()
    assert Bundle.load(pytester.path / "run/bundles/kvm-2.vfb.gz").text(MTU) == "9000\n"
    assert result.ret == 1


def test_a_machine_without_a_bundle_could_not_be_looked_at(site, pytester):
    save(pytester.path / "b", "kvm-1", {MTU: "65536\n"})
    save(pytester.path / "b", "guest-1", {})
    result = site()
    result.assert_outcomes(passed=2, errors=1)
    assert "kvm-2: no bundle of it in" in text(result) and "./vfproof gather kvm-2 -o" in text(result)
    assert not (pytester.path / "attempts").exists()
    assert result.ret == 6


def _foreign(path: Path) -> None:
    Bundle.of("kvm-9", files={MTU: "65536\n"}).save(path)


def _older(path: Path) -> None:
    envelope = Envelope("kvm-1", Bundle.of().taken_at, "0" * 32, (Attributes("/sys/class/net/*/flags"),))
    raw = encode("0" * 32, texts={}, binaries={}, links={}, names={}, commands={}, denied=())
    path.write_bytes(to_bytes(envelope, raw))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


WRONG = {
    "foreign": (_foreign, "this is the bundle of kvm-9, and not of kvm-1"),
    "older": (_older, "this bundle's gather did not look for"),
    "new": (lambda path: path.write_bytes(gzip.compress(b'{"vfproof-bundle": 99}\n')), "its format is 99"),
    "corrupt": (lambda path: path.write_bytes(b"\x1f\x8b" + os.urandom(400)), "not a bundle"),
    "cut": (lambda path: path.write_bytes(Bundle.of("kvm-1").packed()[:-30]), "cut short"),
    "empty": (lambda path: path.touch(), "it is empty"),
    "text": (lambda path: path.write_text("sh: 1: not found\n"), "neither gzip nor an envelope"),
    "noise": (lambda path: path.write_text('{"vfproof-bundle": 1}\n'), "its envelope is damaged"),
    "bomb": (lambda path: path.write_bytes(gzip.compress(b"{" * (1 << 28))), "larger than any bundle"),
    "folder": (lambda path: path.mkdir(), "Is a directory|no ordinary file"),
    "pipe": (_fifo, "no ordinary file"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_bundle_of_the_machine_is_one_sentence(site, pytester, kind):
    make, said = WRONG[kind]
    make(pytester.path / "b/kvm-1.vfb.gz")
    result = site("--inventory", "inventory.yaml", "--bundles", "b", "--only", "kvm-1")
    result.assert_outcomes(errors=1)
    assert result.ret == 6
    result.stdout.re_match_lines([rf".*kvm-1: .*({said})"])
    assert "Traceback" not in text(result) and "Error" not in text(result).replace("ERROR", "").replace("Errors", "")


def test_two_answers_of_one_machine_are_not_chosen_from(site, pytester):
    for ends in (".vfb", ".vfb.gz"):
        save(pytester.path / "b", "kvm-1", {MTU: "65536\n"}, ends)
    result = site("--inventory", "inventory.yaml", "--bundles", "b", "--only", "kvm-1")
    assert "holds kvm-1.vfb.gz and kvm-1.vfb; keep the one that counts" in text(result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bundles", "b"], "--bundles: needs --inventory"),
        (["--inventory", "inventory.yaml", "--bundles", "c"], "no folder c"),
    ],
)
def test_usage_errors_are_a_sentence_and_exit_4(site, options, said):
    result = site(*options)
    assert result.ret == 4
    assert said in text(result) and "Traceback" not in text(result)


class TestGather:
    @pytest.fixture
    def here(self, tmp_path: Path, monkeypatch) -> Path:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config").write_text("Host *\n  ProxyCommand false\n")
        (tmp_path / "inventory.yaml").write_text(
            'hosts:\n  kvm-1: {connect: "local://"}\n  kvm-2: {connect: "ssh://kvm-2", ssh_config: config}\n'
            'guests:\n  guest-1: {connect: "local://"}\n'
        )
        return tmp_path

    def test_one_bundle_per_machine_and_one_sentence_per_failure(self, here, capsys):
        assert main(["gather"]) == 6
        said = capsys.readouterr().out.splitlines()
        assert len([line for line in said if line.startswith("kvm-2: ")]) == 1
        assert "2 of 3 whole, in bundles; next: ./vfproof check --bundles bundles" in said
        files = sorted((here / "bundles").iterdir())
        assert [path.name for path in files] == ["guest-1.vfb.gz", "kvm-1.vfb.gz"]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert (here / "bundles").stat().st_mode & 0o777 == 0o700
        assert Bundle.load(files[1], "kvm-1").text("/proc/cmdline")

    def test_names_choose_and_files_are_replaced(self, here, capsys):
        (here / "out").mkdir()
        (here / "out/kvm-1.vfb.gz").write_text("old")
        assert main(["gather", "kvm-1", "-o", "out", "-i", "inventory.yaml"]) == 0
        assert Bundle.load(here / "out/kvm-1.vfb.gz").machine == "kvm-1"
        assert [path.name for path in (here / "out").iterdir()] == ["kvm-1.vfb.gz"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["gather", "kvm-9"], "no such host or guest"),
            (["gather", "-i", "nowhere.yaml"], "no such file"),
            (["gather", "-o", "inventory.yaml"], "bundles cannot go there"),
            (["gather", "--script", "switch"], "invalid choice"),
            (["gather", "--script", "host", "kvm-1"], "goes without names"),
            (["gather", "--frobnicate"], "unrecognized arguments"),
        ],
    )
    def test_usage_errors_are_a_sentence_and_exit_4(self, here, capsys, words, said):
        assert main(words) == 4
        out, err = capsys.readouterr()
        assert out == "" and said in err and err.startswith("vfproof: ") and err.count("\n") == 1


NOT_RESTORED = '''
import pytest

@pytest.fixture
def taken(host_bundle):
    yield
    raise OSError("it is gone")

def test_host(host_name, taken):
    """It is read."""
'''


def test_a_row_whose_clean_up_fails_says_what_it_read(site, pytester):
    for name in ("kvm-1", "kvm-2"):
        save(pytester.path / "b", name, {})
    pytester.makepyfile(test_site=NOT_RESTORED)
    site()
    rows = json.loads((pytester.path / "run/results.json").read_text())["rows"]
    assert [row["outcome"] for row in rows] == ["could not look"] * 2
    assert [row["evidence"][0]["path"] for row in rows] == ["bundles/kvm-1.html", "bundles/kvm-2.html"]
