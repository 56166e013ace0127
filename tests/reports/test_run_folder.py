from datetime import UTC, datetime, timedelta, timezone

import pytest

from reports.run_folder import NotAnEmptyFolder, OutsideRunFolder, RunFolder

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "reports" / "runs", START)


def test_a_folder_is_named_by_its_start_in_utc_and_private(tmp_path):
    folder = RunFolder.create(tmp_path, START.astimezone(timezone(timedelta(hours=2))))
    assert folder.path == tmp_path / "2026-01-02T03-04-05Z"
    assert mode(folder.path) == 0o700


def test_two_runs_in_one_second_have_folders_of_their_own(tmp_path):
    paths = {RunFolder.create(tmp_path, START).path.name for _ in range(3)}
    assert paths == {"2026-01-02T03-04-05Z", "2026-01-02T03-04-05Z-2", "2026-01-02T03-04-05Z-3"}


def test_a_wanted_folder_is_made_private(tmp_path):
    (tmp_path / "there").mkdir(mode=0o755)
    assert mode(RunFolder.at(tmp_path / "there").path) == 0o700
    assert mode(RunFolder.at(tmp_path / "new" / "one").path) == 0o700


def test_no_run_overwrites_another(folder, tmp_path):
    folder.add("results.json", b"{}")
    with pytest.raises(NotAnEmptyFolder, match="holds something already"):
        RunFolder.at(folder.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotAnEmptyFolder, match="cannot be the run folder"):
        RunFolder.at(tmp_path / "file")


def test_an_added_file_is_private_and_linked_by_its_name(folder):
    assert folder.add("evidence/kvm-1/bundle.gz", b"one") == "evidence/kvm-1/bundle.gz"
    folder.add("evidence/kvm-1/bundle.gz", b"two")
    path = folder.path / "evidence" / "kvm-1" / "bundle.gz"
    assert path.read_bytes() == b"two"
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert [entry.name for entry in path.parent.iterdir()] == ["bundle.gz"]


def test_a_stream_can_be_written_to_as_it_comes(folder):
    with folder.open("drills/a.pcap") as file:
        file.write(b"head")
        assert (folder.path / "drills" / "a.pcap").read_bytes() == b"head"
    assert mode(folder.path / "drills" / "a.pcap") == 0o600


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../other", "a/../../b", "a\0b"])
def test_a_name_cannot_leave_the_folder(folder, name):
    with pytest.raises(OutsideRunFolder):
        folder.add(name, b"")
    with pytest.raises(OutsideRunFolder):
        folder.open(name)


def test_sealing_closes_what_others_wrote(folder):
    (folder.path / "assets").mkdir(mode=0o755)
    (folder.path / "assets" / "style.css").write_text("")
    (folder.path / "assets" / "style.css").chmod(0o644)
    folder.seal()
    assert (mode(folder.path / "assets"), mode(folder.path / "assets" / "style.css")) == (0o700, 0o600)
