"""What a command prints: two tails in memory, and all of it in a file once it is more than they hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .command import TAIL_BYTES
from .owner import OWNER

_numbers = itertools.count(1)


class Output:
    """Takes chunks as they come. `exceeded` is called, once, when there is more than `bytes_max` or no room for it."""

    def __init__(self, spool: Path, bytes_max: int, exceeded: Callable[[str], None]) -> None:
        self.counts = {1: 0, 2: 0}
        self._tails = {1: bytearray(), 2: bytearray()}
        self._whole: bytearray | None = bytearray()
        self._spool = spool
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self._bytes_max = bytes_max
        self._exceeded = exceeded
        self._stopped = False

    def take(self, stream: int, data: bytes) -> None:
        """Add what came on stdout (1) or stderr (2). After the limit it is read and dropped."""
        if self._stopped:
            return
        room = self._bytes_max - self.counts[1] - self.counts[2]
        over = len(data) > room
        data = data[:room] if over else data
        self.counts[stream] += len(data)
        tail = self._tails[stream]
        tail += data
        if len(tail) > 2 * TAIL_BYTES:
            del tail[:-TAIL_BYTES]
        try:
            self._keep(data)
        except OSError:
            self._stop("disk")
            return
        if over:
            self._stop("output")

    def tail(self, stream: int) -> str:
        """The end of a stream, at most `TAIL_BYTES`, undecodable bytes replaced."""
        return bytes(self._tails[stream][-TAIL_BYTES:]).decode(errors="replace")

    def close(self) -> Path | None:
        """End it; the file with everything, where the tails are not everything. The caller's from here on."""
        if self._file is None:
            return None
        self._file.close()
        self._file = None
        return self._path

    def discard(self) -> None:
        """End it and leave no file."""
        path = self.close()
        if path is not None:
            path.unlink(missing_ok=True)

    def _keep(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            return
        assert self._whole is not None
        self._whole += data
        if max(self.counts.values()) > TAIL_BYTES:
            self._spool.mkdir(parents=True, exist_ok=True)
            self._path = self._spool / f"{OWNER}-{next(_numbers)}.log"
            self._file = self._path.open("wb", buffering=0)
            self._file.write(self._whole)
            self._whole = None

    def _stop(self, why: str) -> None:
        self._stopped = True
        self._exceeded(why)
