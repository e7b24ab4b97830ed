"""Steps of scripts, where contexts in the interpreter processes are a cache.

A script in execution is its log: the opening and every resumption, each with a digest over all before it. A context
that has applied the first n entries is filed under the digest of entry n. Whoever holds the same log finds it there, so
nothing ties a session to a process: a context that is gone is rebuilt from the log, in any process.

Time. A step may use `STEP_SECONDS` of *CPU time* of its process, which that process and the kernel enforce; a busy
machine ends no innocent script. The caller waits for a bounded *wall* time only. Where that is over first, the step
stays in flight in its process, and whoever asks for the same step again (the next try of a Workflow Task) gets its
answer. A process in flight serves no one else: others take another one, or start one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from .javascript_pool import Pool
from .javascript_process import InterpreterProcess, ProcessLost, Reply
from .protocol import STEP_SECONDS, InterpreterBusy, StepLimit

CALL_SECONDS = 1.6
"""Wall time of one call, the wait for a process included. Temporal's deadlock detector fires at 2 s."""
REBUILD_STEP_SECONDS = 1.5
"""CPU time of one old step while rebuilding: it passed before, perhaps on a faster machine."""
REBUILD_MARGIN_SECONDS = 0.3
"""A rebuild pauses so long before the end of its call; the next try goes on from there."""
FLIGHT_SECONDS_MAX = 30.0
"""A process that nobody asks for any more is ended after so long."""
CONTEXTS_MAX = 64
"""Cached contexts in one process."""
LANDED_MAX = 64
"""Kept answers that nobody has taken yet."""
LOSSES_MAX = 3
"""A step that so many processes did not survive has gone over a limit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a script's log: JSON text in ASCII, without line breaks."""

    line: bytes
    digest: bytes

    @classmethod
    def after(cls, previous: Entry | None, line: bytes) -> Entry:
        """The entry that follows `previous`."""
        seed = previous.digest if previous else b""
        return cls(line, hashlib.blake2b(seed + line, digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class _Context:
    id: int
    process: InterpreterProcess


@dataclass(slots=True)
class _Flight:
    """A request that a process is working on."""

    context: _Context
    digests: list[bytes]
    """Of the entries that were sent."""
    keep_report: bool
    since: float
    attended: bool = True
    """Whether a thread waits for it."""


class Contexts:
    """The contexts of this process, by what they have applied. Safe from any thread."""

    def __init__(self) -> None:
        self.pool = Pool()
        self._lock = threading.RLock()
        self._homes: OrderedDict[bytes, _Context] = OrderedDict()
        """Digest -> context that has come so far, least recently used first."""
        self._flights: dict[bytes, _Flight] = {}
        """Last digest of a request -> the request."""
        self._landed: OrderedDict[bytes, Reply | StepLimit] = OrderedDict()
        self._losses: Counter[bytes] = Counter()
        self._next_id = 1

    def step(self, log: Sequence[Entry], entry: Entry) -> bytes:
        """Apply `entry` after `log`; the host's report as JSON text.

        Raises:
            StepLimit: the step went over its CPU time or its memory.
            InterpreterBusy: no process was free, processes were lost, or the wall time was over first. Ask again.
        """
        deadline = time.monotonic() + CALL_SECONDS
        self._look_after_flights()
        for _ in range(2):  # a process that was killed while idle is noticed here, and costs nobody a try
            try:
                landed = self._try(log, entry, deadline)
            except ProcessLost as lost:
                reason = str(lost)
                continue
            if landed is None:
                raise InterpreterBusy("the step is not over yet: this machine is busy")
            return landed.report
        raise InterpreterBusy(reason)

    def check(self, source: bytes, meta: str) -> Reply:
        """Compile a script without running it, and evaluate the literal `meta`.

        Raises:
            StepLimit: compiling went over the limits.
            InterpreterBusy: no process was free, one was lost, or the wall time was over first.
        """
        deadline = time.monotonic() + CALL_SECONDS
        process = self.pool.lend(None)
        try:
            process.send({"op": "check", "meta": meta, "limit": STEP_SECONDS}, [source], deadline)
            reply = process.receive(deadline)
        except ProcessLost as lost:
            self._bury(process)
            if lost.out_of_time:
                raise StepLimit("time", "the script takes too long to compile") from None
            raise InterpreterBusy(str(lost)) from None
        if reply is None:
            self._bury(process)
            raise InterpreterBusy("the script is not compiled yet: this machine is busy")
        self.pool.give_back(process)
        if "limit" in reply.header:
            raise StepLimit(reply.header["limit"], "the script cannot be compiled within the limits")
        return reply

    def forget(self, digest: bytes) -> None:
        """Give up what is kept for a script that has come to `digest`."""
        with self._lock:
            self._landed.pop(digest, None)
            context = self._homes.pop(digest, None)
            if context is not None:
                self._drop(context)

    def close(self) -> None:
        """End all processes; a step in flight ends as `InterpreterBusy`. A later step starts new ones."""
        with self._lock:
            unattended = [flight for flight in self._flights.values() if not flight.attended]
            self._homes.clear()
            self._flights.clear()
            self._landed.clear()
            self._losses.clear()
        self.pool.close()
        for flight in unattended:
            flight.context.process.end()

    # ----------------------------------------------------------------------------------------- one step

    def _try(self, log: Sequence[Entry], entry: Entry, deadline: float) -> Reply | None:
        under_way = self._attend(entry.digest) or (self._attend(log[-1].digest) if log else None)
        if under_way is not None:
            self._wait(under_way, deadline)
        landed = self._take(entry.digest)
        if landed is not None:
            return landed
        context, applied = self._borrow(log)
        if applied < len(log):
            margin = deadline - REBUILD_MARGIN_SECONDS
            self._wait(self._launch(context, log[applied:], REBUILD_STEP_SECONDS, margin), deadline)
            self._take(log[-1].digest)
            with self._lock:
                whole = log[-1].digest in self._homes
            if not whole:
                return None
            context, applied = self._borrow(log)
            if applied < len(log):
                self._return(context)
                return None
        self._wait(self._launch(context, [entry], STEP_SECONDS, deadline), deadline)
        return self._take(entry.digest)
