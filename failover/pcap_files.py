"""A pcap stream cut into one file per round, each whole by itself."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import BinaryIO

FILE_HEADER = 24
RECORD_HEADER = 16
_LITTLE = {b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"}
"""Magic numbers of microseconds and nanoseconds (the pcap format), as a machine of that byte order writes them."""


class PcapFiles:
    """Takes the bytes of one pcap stream as they come; `go_on_in` lets the next record begin another file."""

    def __init__(self, first: BinaryIO) -> None:
        self._file: BinaryIO = first
        self._next: BinaryIO | None = None
        self._head = b""
        self._rest = b""
        self._lock = threading.Lock()

    def write(self, data: bytes) -> int:
        """Take bytes, in whatever pieces."""
        with self._lock:
            self._rest += data
            if not self._head and len(self._rest) >= FILE_HEADER:
                self._head, self._rest = self._rest[:FILE_HEADER], self._rest[FILE_HEADER:]
                self._file.write(self._head)
            while self._head and (size := self._record()) is not None:
                self._change()
                self._file.write(self._rest[:size])
                self._rest = self._rest[size:]
        return len(data)

    def go_on_in(self, file: BinaryIO) -> None:
        """The next record, and those after it, go into this file; the one before is closed."""
        with self._lock:
            self._change()
            self._next = file

    def __enter__(self) -> PcapFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files; what has begun as a record and did not end is written down, too."""
        with self._lock:
            self._change()
            self._file.write(self._rest)
            self._rest = b""
            self._file.close()

    def _change(self) -> None:
        if self._next is not None:
            self._file.close()
            self._file, self._next = self._next, None
            self._file.write(self._head)

    def _record(self) -> int | None:
        """The size of the first record of what is waiting, once it is here whole."""
        if len(self._rest) < RECORD_HEADER:
            return None
        order = "little" if self._head[:4] in _LITTLE else "big"
        size = RECORD_HEADER + int.from_bytes(self._rest[8:12], order)  # type: ignore[arg-type]
        return size if len(self._rest) >= size else None
