"""The pool of Monty processes, and the verdict on a step that was cut.

A step borrows a process, loads its bytes, runs, and gives the process back. Monty's own time limit is WALL time
(MEASURED: six busy processes on two cores, cut after 1.0 s with 0.27 s of CPU used), so on a busy machine it also hits
scripts that did nothing wrong. The verdict therefore looks at the CPU time that the step really got.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic_monty import (
    ExternalModule,
    Monty,
    MontyCrashedError,
    MontyRuntimeError,
    MontySession,
    OSPolicy,
    ResourceLimits,
)

from .process_memory import StepMemory
from .protocol import MEMORY_BYTES, STEP_SECONDS, InterpreterBusy, StepLimit

CHECKOUT_SECONDS = 0.5
"""How long a step waits for a free process. With `STEP_SECONDS` and `KILL_GRACE_SECONDS` under Temporal's 2 s."""
KILL_GRACE_SECONDS = 0.3
"""How far over `STEP_SECONDS` a step that does not answer (a native operation) may run before it is killed."""
GUILTY_CPU_SECONDS = 0.2 * STEP_SECONDS
"""A step cut by the clock is over its limit only if it used this much CPU; with less, the machine was busy.

Ordinary steps use 1 to 20 ms (MEASURED). An endless loop beside eight busy processes on two cores gets 0.22 s.
"""
CPU_SECONDS_PER_CALL, CALLS_CPU_SECONDS_MAX = 0.0002, 0.5
"""What a step may use besides for the calls that it makes: 5,000 agents at once take 0.5 s (MEASURED)."""
_LIMIT_MESSAGE = re.compile(r"(turn time|memory) limit exceeded: |the worker exceeded its (memory) limit")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Lease:
    """A borrowed process, for one step."""

    def __init__(self, session: MontySession) -> None:
        self.session = session
        self.pid = session.worker_pid
        self.started = time.monotonic()
        self.killed_with_cpu: float | None = None
        self.calls = 0
        """Of functions that are answered later, in this step; a script that only computes or logs makes none."""
        self._thread_cpu = time.thread_time()
        self._child_cpu = _cpu_seconds(self.pid)
        self.memory = StepMemory(self.pid)

    @property
    def deadline(self) -> float:
        """When the watchdog kills the process, on the monotonic clock."""
        return self.started + STEP_SECONDS + KILL_GRACE_SECONDS

    def child_cpu(self) -> float:
        """CPU seconds the process used for this step so far."""
        return _cpu_seconds(self.pid) - self._child_cpu

    def check(self) -> None:
        """Call at every host call: a script that keeps calling restarts Monty's clock each time, but not this one.

        Raises:
            StepLimit: the step is over its time.
            InterpreterBusy: it is late, but the machine is to blame.
        """
        if time.monotonic() - self.started > STEP_SECONDS:
            raise self.verdict(self.child_cpu() + time.thread_time() - self._thread_cpu)

    def verdict(self, cpu: float) -> StepLimit | InterpreterBusy:
        """What a step deserves that ran out of wall time after `cpu` seconds of work."""
        if cpu < GUILTY_CPU_SECONDS + min(self.calls * CPU_SECONDS_PER_CALL, CALLS_CPU_SECONDS_MAX):
            return InterpreterBusy(f"the machine is busy: a step got {cpu:.2f} s of CPU in {STEP_SECONDS:g} s")
        if self.memory.was_filling():
            return _over_memory()
        return StepLimit(
            "time",
            f"the script computed for more than {STEP_SECONDS:g} s without waiting for anything; is a loop endless?",
        )

    def limit(self, error: MontyRuntimeError) -> StepLimit | InterpreterBusy | None:
        """The verdict on an error that the interpreter's own limits raised; `None` for the script's own errors."""
        inner = error.exception()
        match = _LIMIT_MESSAGE.match(str(inner))
        if match is None or not isinstance(inner, TimeoutError | MemoryError):
            return None
        if "memory" in match.groups():
            return _over_memory()
        return self.verdict(self.child_cpu())


class Pool:
    """Monty processes, spawned when first needed."""

    def __init__(self, processes: int) -> None:
        # Monty's own grace is longer than the watchdog's: only the watchdog knows what CPU a killed process had used.
        self._monty = Monty(
            min_processes=1,
            max_processes=processes,
            checkout_timeout=CHECKOUT_SECONDS,
            turn_duration_limit_grace=2 * KILL_GRACE_SECONDS,
        )
        self._monty.__enter__()
        self._leases: set[Lease] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._watchdog = threading.Thread(target=self._watch, name="tenuto-monty-watchdog", daemon=True)
        self._watchdog.start()

    @contextmanager
    def lease(
        self, *, seed: str, type_check: bool = False, modules: dict[str, ExternalModule] | None = None
    ) -> Iterator[Lease]:
        """Borrow a process for one step.

        Raises:
            StepLimit: the step was cut, and it was its own fault.
            InterpreterBusy: no process was free in time, or it was lost.
        """
        checkout = self._monty.checkout(
            limits=_LIMITS,
            os_policy=OSPolicy(datetime="call_host", sleep="call_host", random_start={"seed": seed}),
            type_check=type_check,
            type_check_format="json",
            external_modules=modules,
        )
        try:
            session = checkout.__enter__()
        except (TimeoutError, MontyCrashedError) as error:
            raise InterpreterBusy(f"no interpreter process was free within {CHECKOUT_SECONDS:g} s ({error})") from None
        lease = Lease(session)
        try:
            with self._watched(lease):
                yield lease
        except MontyCrashedError as error:
            if lease.killed_with_cpu is not None:
                raise lease.verdict(lease.killed_with_cpu) from None
            raise InterpreterBusy(f"an interpreter process was lost: {error}") from None
        except StepLimit:
            # Its heap keeps what the script took: the next one would start with that, and its own would not show.
            _end(lease)
            raise
        finally:
            checkout.__exit__(None, None, None)

    def close(self) -> None:
        """End all processes."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._watchdog.join()
        self._monty.__exit__(None, None, None)

    @contextmanager
    def _watched(self, lease: Lease) -> Iterator[None]:
        with self._changed:
            self._leases.add(lease)
            if len(self._leases) == 1:  # otherwise the watchdog already waits for an earlier deadline
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:  # the process is handed on after this: the watchdog must have let go of it
                self._leases.discard(lease)

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for lease in [each for each in self._leases if each.deadline <= now]:
                    self._leases.discard(lease)
                    _kill(lease)
                first = min((lease.deadline for lease in self._leases), default=None)
                self._changed.wait(None if first is None else first - now)


def _kill(lease: Lease) -> None:
    lease.killed_with_cpu = lease.child_cpu()
    lease.memory.look()
    _end(lease)


def _end(lease: Lease) -> None:
    if lease.pid is not None:
        try:
            os.kill(lease.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it died by itself meanwhile; the step hears of that from Monty


def _over_memory() -> StepLimit:
    return StepLimit("memory", f"the script needs more than {MEMORY_BYTES >> 20} MiB of memory")


def _cpu_seconds(pid: int | None) -> float:
    """User and system time of a process so far; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


_LIMITS = ResourceLimits(
    max_turn_duration_secs=STEP_SECONDS,
    max_memory=MEMORY_BYTES,
    max_suspensions=10**7,  # the default of 1,000 is one large fan-out
)

_lock = threading.Lock()
_pool: Pool | None = None
_processes: int | None = None


def pool() -> Pool:
    """The pool of this process, opened at the first use."""
    global _pool  # noqa: PLW0603 - one pool a process; close_pool() ends it
    with _lock:
        if _pool is None:
            _pool = Pool(_processes or max(2, os.cpu_count() or 1))
        return _pool


def set_pool_size(processes: int) -> None:
    """How many interpreter processes a pool that is opened from now on may have (default: one a CPU, at least 2)."""
    global _processes  # noqa: PLW0603 - see pool()
    if processes < 1:
        raise ValueError(f"a pool has at least one process, not {processes}")
    with _lock:
        _processes = processes


def close_pool() -> None:
    """End the interpreter processes of this process; a later step opens new ones. Safe to call twice."""
    global _pool
    with _lock:
        closing, _pool = _pool, None
    if closing is not None:
        closing.close()
