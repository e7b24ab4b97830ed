"""The embedded service as a command sees it: start what is not running, replace what is out of date, end all."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import Settings, UsageError
from .ending import end_all, send, wait_until
from .environment import code_stamp, differences, for_daemons
from .logs import open_log, tail
from .records import Home, environment_of, living
from .rehearsal import CannotStart, rehearse

START_S = 60.0
LEAVE_S = 8.0
Notice = Callable[[str], None]


class ServiceFailed(Exception):
    """The embedded service did not come up, or did not end. The message says where to look."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running embedded service."""

    home: Path
    address: str
    ui: str
    server_pid: int
    worker_pids: tuple[int, ...]


def current(home: Path) -> Service | None:
    """The service as it runs now; `None` if its server does not."""
    files = Home(home)
    server, worker = living(files.server), living(files.worker)
    if server is None:
        return None
    return Service(home, server.address, server.ui, server.pid, (worker.pid,) if worker else ())


def ensure(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    *,
    take_environment: bool = False,
    worker: bool = True,
    notice: Notice = lambda _text: None,
) -> Service:
    """The embedded service, running and up to date.

    Args:
        take_environment: the Worker has to have this command's own environment (model credentials, store).
        worker: wait for the Worker too, not for the server only.
        notice: told, in one line, about anything that was replaced.

    Raises:
        ServiceFailed: it did not come up in time.
        UsageError: the home cannot be written, or no Worker could start with this command's settings. What runs then
            goes on as it is.
    """
    environ = os.environ if environ is None else environ
    home = Home(settings.home)
    wanted = for_daemons(settings, environ, None)
    deadline = time.monotonic() + START_S
    if _outdated(home, wanted, take_environment) is not None:
        _make(home)
        with _starting(home, deadline):
            _replace(
                home,
                settings=settings,
                environ=environ,
                wanted=wanted,
                take_environment=take_environment,
                notice=notice,
            )
    return _await(home, deadline, worker)


def down(home_path: Path) -> list[int]:
    """End the supervisor, the Worker and the server of a home; the pids of those that ran.

    Raises:
        ServiceFailed: a process could not be ended.
    """
    home = Home(home_path)
    if not home.folder.is_dir():
        return []
    with _starting(home, time.monotonic() + START_S):
        ended = _end_supervisor(home)
        ended += end_all(home)
        home.supervisor.unlink(missing_ok=True)
    return ended


def _outdated(home: Home, wanted: Mapping[str, str], take_environment: bool) -> str | None:
    """Why a supervisor has to be started, or `None` if the one that runs will do."""
    supervisor = living(home.supervisor)
    if supervisor is None:
        return ""
    if supervisor.code != code_stamp():
        return "Tenuto was upgraded: its daemons are replaced; runs go on"
    has = environment_of(supervisor)
    if take_environment and has is not None and (names := differences(has, wanted)):
        return f"the Worker restarts with this command's {', '.join(names)}; runs go on"
    return None


def _replace(
    home: Home,
    *,
    settings: Settings,
    environ: Mapping[str, str],
    wanted: dict[str, str],
    take_environment: bool,
    notice: Notice,
) -> None:
    why = _outdated(home, wanted, take_environment)  # again, now that nobody else starts
    if why is None:
        return
    predecessor = living(home.supervisor) or living(home.worker)
    if predecessor is not None and not take_environment:
        # A command that only reads must not take the credentials away from runs that others started.
        wanted = for_daemons(settings, environ, environment_of(predecessor))
    elif predecessor is not None:
        _rehearse(home, wanted)
    else:
        _open_store(settings.store)
    if why:
        notice(why)
    _end_supervisor(home)
    with open_log(home.logs / "supervisor.log") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tenuto.worker.service.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home.path,
            env=wanted,
            start_new_session=True,
            close_fds=True,
        )
    up = wait_until(lambda: living(home.supervisor) is not None or process.poll() is not None, LEAVE_S)
    if not up or process.poll() is not None:
        raise ServiceFailed(f"the supervisor did not start: {tail(home.logs / 'supervisor.log') or 'it said nothing'}")
    process.returncode = 0  # it outlives this command on purpose: no warning about a child that still runs


def _rehearse(home: Home, wanted: Mapping[str, str]) -> None:
    """Runs are under way: one mistyped command must not leave them without a Worker. Raises `UsageError`."""
    try:
        rehearse(home, wanted)
    except CannotStart as error:
        raise UsageError(
            f"no Worker can start with this command's settings, so the one there is stays: {error}"
        ) from None


def _open_store(url: str) -> None:
    """Nothing runs yet, and no Worker of this store would. Raises `UsageError`."""
    from tenuto.activities.store import Store, StoreError

    try:
        Store(url).check_writable()
    except StoreError as error:
        raise UsageError(f"{error}; look at TENUTO_STORE") from None


def _end_supervisor(home: Home) -> list[int]:
    """End the supervisor alone; what it keeps is for its successor."""
    supervisor = living(home.supervisor)
    if supervisor is None:
        return []
    for number in (signal.SIGHUP, signal.SIGKILL):
        send(supervisor, number)
        if wait_until(lambda: not supervisor.alive, LEAVE_S):
            return [supervisor.pid]
    raise ServiceFailed(f"the supervisor (pid {supervisor.pid}) cannot be ended")


def _await(home: Home, deadline: float, worker: bool) -> Service:
    def ready() -> bool:
        service = current(home.path)
        return (service is not None and bool(service.worker_pids or not worker)) or living(home.supervisor) is None

    wait_until(ready, max(0.1, deadline - time.monotonic()))
    service = current(home.path)
    if service is None or (worker and not service.worker_pids):
        words = tail(home.logs / "supervisor.log") or "it said nothing"
        raise ServiceFailed(f"the embedded service did not come up: {words}. Logs are in {home.logs}")
    return service


def _make(home: Home) -> None:
    try:
        home.make()
    except OSError as error:
        raise UsageError(f"TENUTO_HOME is {str(home.path)!r}, which cannot be written ({error.strerror})") from None


@contextmanager
def _starting(home: Home, deadline: float) -> Iterator[None]:
    """Be the only command that starts or ends daemons of this home."""
    lock = os.open(home.starting, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def held() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not wait_until(held, max(0.1, deadline - time.monotonic())):
            raise ServiceFailed(f"another command holds {home.starting}")
        yield
    finally:
        os.close(lock)
