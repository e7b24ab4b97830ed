"""Steps of scripts, where contexts in the interpreter processes are a cache.

A script in execution is its log: the opening and every resumption, each with a digest over all before it. A context
that has applied the first n entries is filed under the digest of entry n. Whoever holds the same log finds it there, so
nothing ties a session to a process: a context that is gone is rebuilt from the log, in any process.

Time. A step may use `STEP_SECONDS` of *CPU time* of its process, which that process and the kernel enforce; a busy
machine ends no innocent script. The caller waits for a bounded *wall* time only. Where that is over first, the step
stays in flight in its process, and whoever asks for the same step again (the next try of a Workflow Task) gets its
answer. A process in flight serves no one else: others take another one, or start one. The next try has a later time;
the answer is its own all the same where the script did not look at the clock, and a limit it went over always is.
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
from .protocol import MEMORY_BYTES, STEP_SECONDS, InterpreterBusy, Limit, StepLimit

CALL_SECONDS = 1.6
"""Wall time of one call, the wait for a process included. Temporal's deadlock detector fires at 2 s."""
ENTRY_BYTES_PER_SECOND = 150_000_000
REBUILD_STEP_SECONDS = 1.5
"""CPU time of one old step while rebuilding: it passed before, perhaps on a faster machine."""
REBUILD_MARGIN_SECONDS = 0.3
"""A rebuild pauses so long before the end of its call; the next try goes on from there."""
FLIGHT_SECONDS_MAX = 30.0
"""A process that nobody asks for any more is ended after so long."""
CONTEXTS_MAX = 64
"""Cached contexts in one process."""
LENT_SECONDS_MAX = 60.0
"""A process that somebody has had for so long is not coming back: Temporal interrupts what takes too long, anywhere."""
LANDED_MAX = 64
"""Kept answers that nobody has taken yet."""
LOSSES_MAX = 3
"""A step that so many processes did not survive has gone over a limit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a script's log: JSON text in UTF-8, without line breaks."""

    line: bytes
    key: bytes
    """Digest of all but its time, and of everything before it."""
    digest: bytes

    @classmethod
    def after(cls, previous: Entry | None, line: bytes) -> Entry:
        """The entry that follows `previous`."""
        hashed = hashlib.blake2b(previous.digest if previous else b"", digest_size=16)
        time_ends = line.index(b",") if line.startswith(_NOW) else 0
        hashed.update(memoryview(line)[time_ends:])
        key = hashed.digest()
        hashed.update(line[:time_ends])
        return cls(line, key, hashed.digest())


_NOW = b'{"now":'


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
    is_step: bool
    """Else it rebuilds."""
    key: bytes
    """Of the step, or else the last digest."""
    since: float
    attended: bool = True
    """Whether a thread waits for it."""


@dataclass(frozen=True, slots=True)
class _Landed:
    """An answer, and the entry that it is to."""

    reply: Reply
    digest: bytes


class Contexts:
    """The contexts of this process, by what they have applied. Safe from any thread."""

    def __init__(self) -> None:
        self.pool = Pool()
        self._lock = threading.RLock()
        self._homes: OrderedDict[bytes, _Context] = OrderedDict()
        """Digest -> context that has come so far, least recently used first."""
        self._flights: dict[bytes, _Flight] = {}
        """Key of a request -> the request."""
        self._landed: OrderedDict[bytes, _Landed | StepLimit] = OrderedDict()
        """By the key of the step."""
        self._losses: Counter[bytes] = Counter()
        self._next_id = 1

    def step(self, log: Sequence[Entry], entry: Entry) -> bytes:
        """Apply `entry` after `log`; the host's report as JSON text.

        Raises:
            StepLimit: the step went over its CPU time or its memory.
            InterpreterBusy: no process was free, processes were lost, or the wall time was over first. Ask again.
        """
        # What a large entry took already, to be decoded and written out, is time of the same Workflow Task.
        spent = min(CALL_SECONDS / 2, len(entry.line) / ENTRY_BYTES_PER_SECOND)
        deadline = time.monotonic() + CALL_SECONDS - spent
        self._look_after_flights()
        try:
            try:
                landed = self._try(log, entry, deadline)
            except ProcessLost:  # perhaps killed while idle, which is noticed only now: that costs nobody a try
                landed = self._try(log, entry, deadline)
        except ProcessLost as lost:
            raise InterpreterBusy(str(lost)) from None
        if landed is None:
            raise InterpreterBusy("the step is not over yet: this machine is busy")
        return landed.report

    def check(self, source: bytes, meta: str) -> Reply:
        """Compile a script without running it, and evaluate the literal `meta`.

        Raises:
            StepLimit: compiling went over the limits.
            InterpreterBusy: no process was free, one was lost, or the wall time was over first.
        """
        deadline = time.monotonic() + CALL_SECONDS
        self._look_after_flights()
        process = self.pool.lend(None)
        try:
            process.send({"op": "check", "meta": meta, "limit": STEP_SECONDS}, [source], deadline)
            reply = process.receive(deadline)
        except ProcessLost as lost:
            self._bury(process)
            if lost.out_of_time:
                raise StepLimit("time", "the script takes too long to compile") from None
            raise InterpreterBusy(str(lost)) from None
        except BaseException:  # interrupted
            self._bury(process)
            raise
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
        with self._lock:
            landed = self._landed.pop(entry.key, None)
        if isinstance(landed, StepLimit):
            raise landed
        reply = self._own(landed, entry) if landed is not None else None
        while reply is None:
            flight = self._attend(entry.key) or (self._attend(log[-1].digest) if log else None)
            flight = flight or self._launch(log, entry, deadline)
            answer = self._wait(flight, deadline)
            if answer is None:
                return None
            if flight.key == entry.key:
                reply = self._own(_Landed(answer, flight.digests[-1]), entry)
            if reply is None and time.monotonic() > deadline - REBUILD_MARGIN_SECONDS:
                return None
        return reply

    def _own(self, landed: _Landed, entry: Entry) -> Reply | None:
        """The answer to this very entry: that to an earlier try is, where the script did not look at the clock."""
        if landed.digest == entry.digest:
            return landed.reply
        with self._lock:
            context = self._homes.pop(landed.digest, None)
            if landed.reply.header.get("clock"):
                if context is not None:
                    self._drop(context)
                return None
            if context is not None:
                self._home(entry.digest, context)
        return landed.reply

    def _attend(self, digest: bytes) -> _Flight | None:
        """Take over a request that an earlier call gave up waiting for."""
        with self._lock:
            flight = self._flights.get(digest)
            if flight is None or flight.attended:
                return None
            flight.attended = True
            return flight

    def _launch(self, log: Sequence[Entry], entry: Entry, deadline: float) -> _Flight:
        """Send the step to a context that has applied all of `log`, or else what such a context still lacks."""
        context, applied = self._borrow(log)
        is_step = applied == len(log)
        entries = [entry] if is_step else log[applied:]
        key = entry.key if is_step else log[-1].digest
        flight = _Flight(context, [sent.digest for sent in entries], is_step, key, time.monotonic())
        header = {
            "op": "run",
            "context": context.id,
            "limit": STEP_SECONDS if is_step else REBUILD_STEP_SECONDS,
            "allowance": max(0.0, deadline - REBUILD_MARGIN_SECONDS - time.monotonic()),
        }
        try:
            context.process.send(header, [sent.line for sent in entries], deadline)
        except BaseException:  # lost, or interrupted in the middle of the request
            self._bury(context.process)
            raise
        with self._lock:
            self._flights[key] = flight
        return flight

    def _borrow(self, log: Sequence[Entry]) -> tuple[_Context, int]:
        """A context in a process that is lent to the caller, and how many entries of `log` it has applied."""
        home, _ = self._find(log)
        process = self.pool.lend(home.process if home else None)
        with self._lock:
            home, applied = self._find(log)  # it may have been evicted, or taken, meanwhile
            if home is not None:
                del self._homes[log[applied - 1].digest]
                if home.process is process:
                    return home, applied
                self._drop(home)
            context = _Context(self._next_id, process)
            self._next_id += 1
            process.contexts.add(context.id)
            return context, 0

    def _find(self, log: Sequence[Entry]) -> tuple[_Context | None, int]:
        with self._lock:
            for applied in range(len(log), 0, -1):
                home = self._homes.get(log[applied - 1].digest)
                if home is not None:
                    return home, applied
        return None, 0

    def _wait(self, flight: _Flight, deadline: float) -> Reply | None:
        """The answer to a request, or `None` when the time is over first."""
        process = flight.context.process
        try:
            reply = process.receive(deadline)
        except ProcessLost as lost:
            self._bury(process)
            self._count_loss(flight, lost)
            raise
        except BaseException:  # interrupted, perhaps in the middle of the answer
            self._bury(process)
            raise
        if reply is None:
            with self._lock:
                flight.attended = False
            return None
        self._land(flight, reply)
        return reply

    def _land(self, flight: _Flight, reply: Reply) -> None:
        """File the context under what it has applied, and give the process back."""
        context = flight.context
        with self._lock:
            self._flights.pop(flight.key, None)
            self._losses.pop(flight.key, None)
            limit = _limit(reply, context.process)
            if limit is None:
                self._home(flight.digests[reply.header["applied"] - 1], context)
            else:
                self._drop(context)
            context.process.resident_bytes = reply.header["resident"]
            self._evict(context.process, besides=context)
        self.pool.give_back(context.process)
        if limit is not None:
            raise _over(limit)

    def _home(self, digest: bytes, context: _Context) -> None:
        twin = self._homes.pop(digest, None)
        if twin is not None:
            self._drop(twin)
        self._homes[digest] = context

    # -------------------------------------------------------------------------------------- housekeeping

    def _look_after_flights(self) -> None:
        """Land what has come in since nobody waited for it; end what never will."""
        for process in self.pool.reclaim(LENT_SECONDS_MAX):
            self._forget(process)
        with self._lock:
            flights = [flight for flight in self._flights.values() if not flight.attended]
            for flight in flights:
                flight.attended = True
        for flight in flights:
            landed: _Landed | StepLimit | None
            try:
                reply = self._wait(flight, time.monotonic())
                landed = None if reply is None else _Landed(reply, flight.digests[-1])
            except StepLimit as limit:
                landed = limit
            except ProcessLost:
                continue  # counted; whoever asks for the step again runs it anew
            if landed is None and time.monotonic() - flight.since > FLIGHT_SECONDS_MAX:
                self._bury(flight.context.process)
            elif landed is not None and flight.is_step:
                with self._lock:
                    self._landed[flight.key] = landed
                    while len(self._landed) > LANDED_MAX:
                        self._landed.popitem(last=False)

    def _evict(self, process: InterpreterProcess, besides: _Context) -> None:
        """Keep one process within its number of contexts and its memory; the least recently used go first."""
        if len(process.contexts) <= CONTEXTS_MAX and not process.bloated:
            return
        own = [(digest, home) for digest, home in self._homes.items() if home.process is process and home != besides]
        for digest, home in own if process.bloated else own[: len(process.contexts) - CONTEXTS_MAX]:
            del self._homes[digest]
            self._drop(home)

    def _drop(self, context: _Context) -> None:
        context.process.contexts.discard(context.id)
        context.process.dropped.append(context.id)

    def _bury(self, process: InterpreterProcess) -> None:
        """Forget a process that was lent to the caller and is lost, with all contexts in it."""
        self._forget(process)
        self.pool.end(process)

    def _forget(self, process: InterpreterProcess) -> None:
        with self._lock:
            self._homes = OrderedDict(pair for pair in self._homes.items() if pair[1].process is not process)
            for digest in [key for key, flight in self._flights.items() if flight.context.process is process]:
                del self._flights[digest]

    def _count_loss(self, flight: _Flight, lost: ProcessLost) -> None:
        """A process that dies of its step takes the step with it, in the end; one that dies otherwise does not.

        Raises:
            StepLimit: this step has gone over.
        """
        with self._lock:
            step = flight.key
            self._losses[step] += 1
            if not lost.out_of_time and self._losses[step] < LOSSES_MAX:
                return
            del self._losses[step]
        in_time = lost.out_of_time and not flight.context.process.memory.was_filling()
        raise _over("time" if in_time else "memory") from None


def _limit(reply: Reply, process: InterpreterProcess) -> Limit | None:
    """Which limit a step has gone over, if it has."""
    if reply.header.get("limit") == "time":
        return "memory" if process.memory.was_filling() else "time"
    if "limit" in reply.header or (reply.header.get("bare") and process.memory.was_full()):
        return "memory"
    return None


def _over(limit: Limit) -> StepLimit:
    if limit == "time":
        return StepLimit("time", f"the script ran for over {STEP_SECONDS:g} s without waiting for anything")
    return StepLimit("memory", f"the script needs more than {MEMORY_BYTES // 1024**2} MiB of memory")
