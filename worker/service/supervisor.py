"""The supervisor: `python -m tenuto.worker.service.supervisor`. One per home; it keeps server and Worker alive.

SIGTERM ends the service. SIGHUP ends the supervisor only: its successor takes over what runs. If it is killed, the
next command starts another, which does the same.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..config import home_of
from . import server
from .ending import WORKER_GRACE_S, end_all, send
from .environment import code_stamp, differences, for_worker
from .logs import cap, open_log
from .records import Daemon, Home, environment_of, holders, living, write

log = logging.getLogger(__name__)

TICK_S = 0.1
CAP_EVERY_S = 10.0
STEADY_S = 3.0
"""A daemon that lived this long had started well; its next death is the first one again. One that cannot start dies
sooner, and only that is a loop worth slowing down."""
DELAY_MAX_S = 10.0


class Backoff:
    """When to start a daemon again: at once after the first deaths, later and later if it keeps dying."""

    def __init__(self) -> None:
        self._deaths = 0
        self._started = self._not_before = 0.0

    def started(self, now: float) -> None:
        """It was started (seconds of a monotonic clock, as in all methods)."""
        self._started = now

    def died(self, now: float) -> float:
        """It died, or could not be started; the seconds until the next start."""
        self._deaths = 1 if now - self._started > STEADY_S else self._deaths + 1
        delay_s = 0.0 if self._deaths <= 3 else min(DELAY_MAX_S, 0.1 * 2.0**self._deaths)
        self._not_before = now + delay_s
        return delay_s

    def may_start(self, now: float) -> bool:
        """Whether the wait is over."""
        return now >= self._not_before


class Supervisor:
    """Keeps one server and one Worker."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.code = code_stamp()
        self.server: Daemon | None = None
        self.worker: Daemon | None = None
        self.leaving: list[tuple[Daemon, float]] = []
        """Workers that drain, with the moment at which they are killed."""
        self.server_backoff, self.worker_backoff = Backoff(), Backoff()
        self.asked_to_end: signal.Signals | None = None

    def run(self) -> None:
        """Keep the daemons until a signal says otherwise."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        # Records of what will be replaced go before our own appears: whoever waits for us must not find them.
        server.forget_outdated(self.home)
        self._adopt_worker()
        write(self.home.supervisor, Daemon.of(os.getpid(), code=self.code))
        capped = time.monotonic()
        while self.asked_to_end is None:
            self._reap()
            self._keep_server()
            self._keep_worker()
            self._hurry_leaving()
            if time.monotonic() - capped > CAP_EVERY_S:
                capped = time.monotonic()
                for path in self.home.logs.glob("*.log"):
                    cap(path)
            time.sleep(TICK_S)
        log.info("ending on %s", self.asked_to_end.name)
        if self.asked_to_end is not signal.SIGHUP:
            end_all(self.home)
        self.home.supervisor.unlink(missing_ok=True)

    def _on_signal(self, number: int, _frame: object) -> None:
        self.asked_to_end = signal.Signals(number)

    # --------------------------------------------------------------------------------------------- the server

    def _keep_server(self) -> None:
        now = time.monotonic()
        if self.server is not None:
            if self.server.alive:
                return
            log.warning("the server (pid %d) is gone", self.server.pid)
            self.server_backoff.died(now)
            self.server = None
        if not self.server_backoff.may_start(now):
            return
        self.server_backoff.started(now)
        try:
            self.server = server.ensure(self.home, lambda: self.asked_to_end is not None)
        except (server.ServerFailed, OSError, subprocess.SubprocessError) as error:
            log.warning("%s", error)
            self.server_backoff.died(time.monotonic())

    # --------------------------------------------------------------------------------------------- the Worker

    def _adopt_worker(self) -> None:
        """Take over the Worker there is, if it is of this code and environment; else it drains beside a new one."""
        running = living(self.home.worker)
        if running is not None:
            had = environment_of(running)
            if running.code == self.code and had is not None and not differences(had, os.environ):
                self.worker = running
            else:
                self.home.worker.unlink(missing_ok=True)
                self._let_go(running)
        for stray in holders(self.home.working):
            if running is None or stray.pid != running.pid:
                self._let_go(stray)

    def _keep_worker(self) -> None:
        if self.server is None:
            return
        now = time.monotonic()
        if self.worker is not None and self.worker.alive:
            if self.worker.address == self.server.address:
                return
            self._let_go(self.worker)
        elif self.worker is not None:
            log.warning("the Worker (pid %d) is gone", self.worker.pid)
            self.worker_backoff.died(now)
        self.worker = None
        if self.worker_backoff.may_start(now):
            self.worker_backoff.started(now)
            self.worker = self._start_worker(self.server.address)

    def _start_worker(self, address: str) -> Daemon:
        mark = os.open(self.home.working, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with open_log(self.home.logs / "worker.log") as output:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "tenuto.worker.process"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.home.path,
                    env=for_worker(address, os.environ),
                    start_new_session=True,
                    pass_fds=(mark,),
                )
        finally:
            os.close(mark)
        daemon = Daemon.of(process.pid, code=self.code, address=address)
        write(self.home.worker, daemon)
        log.info("Worker %d serves %s", daemon.pid, address)
        return daemon

    def _let_go(self, worker: Daemon) -> None:
        log.info("Worker %d drains: its code, environment or server is another now", worker.pid)
        send(worker, signal.SIGTERM)
        self.leaving.append((worker, time.monotonic() + WORKER_GRACE_S))

    def _hurry_leaving(self) -> None:
        now = time.monotonic()
        for worker, deadline in self.leaving:
            if now > deadline:
                send(worker, signal.SIGKILL)
        self.leaving = [(worker, deadline) for worker, deadline in self.leaving if worker.alive]

    def _reap(self) -> None:
        """Collect children that ended; a daemon taken over from a predecessor is nobody's child here."""
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return


def main() -> None:
    """Entry of the process. Leaves at once if this home has a supervisor."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    home = Home(Path(home_of(os.environ)))
    home.make()
    lock = os.open(home.supervising, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("this home has a supervisor")
        return
    Supervisor(home).run()


if __name__ == "__main__":
    main()
