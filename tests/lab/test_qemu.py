from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from lab import images, qemu
from lab.qemu import QemuError, Qmp, answers, kvm_refusal


@pytest.fixture
def kvm(tmp_path):
    """A device that can be opened and a kernel that nests."""
    (tmp_path / "kvm").touch()
    (tmp_path / "nested").write_text("Y\n")
    return tmp_path


def test_kvm_needs_a_processor_flag(kvm):
    assert kvm_refusal("fpu sse", kvm / "kvm", [kvm / "nested"]) == "the processor shows neither vmx nor svm"


def test_kvm_needs_a_device_that_opens(kvm):
    assert kvm_refusal("svm", kvm / "none", [kvm / "nested"]) == f"{kvm / 'none'} cannot be opened"


def test_kvm_needs_nesting(kvm):
    (kvm / "nested").write_text("0\n")
    assert kvm_refusal("vmx", kvm / "kvm", [kvm / "nested"]) == "KVM runs no nested guests here"


def test_kvm_with_all_of_it_is_worth_a_trial(kvm):
    assert kvm_refusal("fpu svm", kvm / "kvm", [kvm / "absent", kvm / "nested"]) is None


@pytest.fixture
def tree():
    """The tree QEMU is run from, built if need be."""
    return images.host(print).tree


@pytest.mark.lab
def test_a_tiny_guest_proves_an_accelerator(tree):
    assert answers(tree, "tcg", timeout_s=20)


@pytest.mark.lab
def test_an_accelerator_that_does_not_run_is_no_answer(tree):
    assert not answers(tree, "hvf", timeout_s=20)


@pytest.mark.lab
def test_a_guest_that_never_ends_is_no_answer(tree, monkeypatch):
    monkeypatch.setattr(qemu, "_ALIVE_SECTOR", b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa")  # jmp to itself
    started = time.monotonic()
    assert not answers(tree, "tcg", timeout_s=2)
    assert time.monotonic() - started < 10


class FakeQemu:
    """Answers the commands of one connection from a list, and keeps what was asked."""

    def __init__(self, path, replies):
        self.path, self.asked, self._replies = path, [], list(replies)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        connection, _ = self._server.accept()
        with connection, connection.makefile("rw") as file:
            file.write(json.dumps({"QMP": {}}) + "\n")
            file.flush()
            for reply in [{}, *self._replies]:
                line = file.readline()
                if not line:
                    return
                self.asked.append(json.loads(line)["execute"])
                file.write(json.dumps({"event": "NOISE"}) + "\n")
                file.write(json.dumps(reply if "error" in reply else {"return": reply}) + "\n")
                file.flush()

    def close(self):
        self._thread.join(5)
        self._server.close()


@pytest.fixture
def fake(tmp_path):
    """Makes a fake QEMU with the given replies."""
    made = []

    def make(*replies):
        made.append(FakeQemu(tmp_path / "qmp", replies))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_resumed_machine_goes_on_only_when_all_is_loaded(fake):
    server = fake({"status": "inmigrate"}, {"status": "inmigrate"}, {"status": "paused"}, {})
    with Qmp(server.path) as control:
        control.resume(time.monotonic() + 5)
    assert server.asked[-2:] == ["query-status", "cont"]
    assert server.asked.count("query-status") == 3


def test_a_refused_command_says_what_qemu_said(fake):
    server = fake({"error": {"desc": "Device 'x' not found"}})
    with Qmp(server.path) as control, pytest.raises(QemuError, match="refused set_link: Device 'x' not found"):
        control.execute("set_link", name="x", up=False)


def test_a_state_that_cannot_be_saved_is_said(fake, tmp_path):
    server = fake({}, {}, {}, {"status": "active"}, {"status": "failed"})
    with Qmp(server.path) as control, pytest.raises(QemuError, match="could not save"):
        control.save(tmp_path / "state", time.monotonic() + 5)
    assert server.asked[1] == "stop"


def test_qemu_that_is_gone_is_said(fake):
    server = fake()
    with Qmp(server.path) as control, pytest.raises(QemuError, match="ended while it was asked to stop"):
        control.execute("stop")
