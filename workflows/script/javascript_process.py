"""One interpreter process, seen from the Worker: start it, send a request, wait for the answer up to a deadline."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .process_memory import StepMemory
from .protocol import MEMORY_BYTES

_PROGRAM = str(Path(__file__).with_name("javascript_child.py"))
_CHUNK = 1 << 20
_LOOK_SECONDS = 0.1
"""How often to look at the memory of a process that works: one that the kernel ends cannot be looked at any more."""
RESIDENT_BYTES_MAX = 512 * 1024 * 1024
"""Past this a process gives up its other contexts. One script may have 256 MiB."""
# Read once, here: inside a Workflow thread Temporal's sandbox refuses os.environ. Dates are in UTC for every script.
_ENVIRONMENT = {"TZ": "UTC", **{key: os.environ[key] for key in ("LD_LIBRARY_PATH", "PATH") if key in os.environ}}


def _engine_folder() -> str:
    spec = importlib.util.find_spec("_quickjs")
    if spec is None or spec.origin is None:
        raise ImportError("quickjs-ng is not installed: the interpreter of JavaScript scripts is missing")
    return str(Path(spec.origin).parent)


_ENGINE_FOLDER = _engine_folder()


class ProcessLost(Exception):
    """The process ended, or the connection to it broke. `out_of_time`: the kernel ended it for its CPU time."""

    def __init__(self, message: str, *, out_of_time: bool = False) -> None:
        super().__init__(message)
        self.out_of_time = out_of_time


@dataclass(frozen=True, slots=True)
class Reply:
    """A header and the host's report as JSON text (empty where there is none)."""

    header: dict[str, Any]
    report: bytes


class InterpreterProcess:
    """A child with its pipes. Used by one thread at a time; the pool sees to that."""

    def __init__(self) -> None:
        self.contexts: set[int] = set()
        """Contexts that live in this process."""
        self.dropped: list[int] = []
        """Contexts to give up with the next request."""
        self.resident_bytes = 0
        """As it said last."""
        self.memory = StepMemory(None)
        """Of the request under way."""
        # Its own session: Ctrl-C at a terminal is for the Worker. It ends at end of file, with this process.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _PROGRAM, _ENGINE_FOLDER, str(MEMORY_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin.fileno()
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._received = bytearray()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def bloated(self) -> bool:
        """Whether it holds more memory than a process should."""
        return self.resident_bytes > RESIDENT_BYTES_MAX

    def send(self, header: dict[str, Any], body: Sequence[bytes], deadline: float) -> None:
        """Write one request whole.

        Raises:
            ProcessLost: it is gone, or did not take the request by `deadline` (monotonic seconds).
        """
        if self.dropped:
            header = {**header, "drop": self.dropped}
            self.dropped = []
        self.memory = StepMemory(self.pid)
        frame = b"\n".join([json.dumps(header).encode("ascii"), *body])
        view = memoryview(struct.pack(">Q", len(frame)) + frame)
        while view:
            try:
                view = view[os.write(self._in, view[:_CHUNK]) :]
            except BlockingIOError:
                # Half a request is of no use to anyone, so a process that reads no further is given up.
                if not _ready(self._in, select.POLLOUT, deadline):
                    self.end()
                    raise ProcessLost("an interpreter process did not take its request in time") from None
            except OSError:
                raise self._lost() from None

    def receive(self, deadline: float) -> Reply | None:
        """The answer, or `None` if it is not whole by `deadline`: ask again later.

        Raises:
            ProcessLost: it is gone.
        """
        while not self._whole():
            if not _ready(self._out, select.POLLIN, min(deadline, time.monotonic() + _LOOK_SECONDS)):
                self.memory.look()
                if time.monotonic() >= deadline:
                    return None
                continue
            chunk = os.read(self._out, _CHUNK)
            if not chunk:
                raise self._lost()
            self._received += chunk
        frame = bytes(self._received[8:])
        self._received.clear()
        head, _, report = frame.partition(b"\n")
        return Reply(header=json.loads(head), report=report)

    def kill(self) -> None:
        """Kill it, and leave it to `receive` to find out."""
        self._process.kill()

    def end(self) -> None:
        """Kill it and reap it. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _whole(self) -> bool:
        size = len(self._received)
        return size >= 8 and size >= 8 + struct.unpack_from(">Q", self._received)[0]

    def _lost(self) -> ProcessLost:
        # End of file comes a moment before the process can be reaped: `end` kills what is dead or dying already.
        code = self._exit_code()
        self.end()
        return ProcessLost(f"an interpreter process ended (code {code})", out_of_time=code == -signal.SIGPROF)

    def _exit_code(self) -> int | None:
        try:
            return self._process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            return None


def _ready(descriptor: int, event: int, deadline: float) -> bool:
    """Wait until a descriptor is ready (or closed at the other end); false at the deadline."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
