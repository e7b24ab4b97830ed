"""Who runs for a home: one small file per daemon, trusted only as far as `/proc` confirms it.

A record may be stale, of another machine, or garbage. It names a process only if pid and start time both match, so a
reused pid is never signalled.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..identity import process_start


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process of the embedded service. Holds no secret: it is written to disk."""

    pid: int
    start: str
    """Field 22 of `/proc/PID/stat`."""
    code: str = ""
    """What it was started from; another value means that it has to be replaced."""
    address: str = ""
    """The server's own, or the one the Worker was told."""
    ui: str = ""

    @classmethod
    def of(cls, pid: int, **values: str) -> Daemon:
        """The record of a process that was just started."""
        return cls(pid, process_start(pid) or "gone", **values)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self.pid > 1 and process_start(self.pid) == self.start


class Home:
    """The files of an embedded service."""

    def __init__(self, home: Path) -> None:
        self.path = home
        folder = home / "service"
        self.folder, self.logs = folder, home / "logs"
        self.server, self.worker, self.supervisor = (
            folder / f"{name}.json" for name in ("server", "worker", "supervisor")
        )
        self.ports = folder / "ports.json"
        self.database = folder / "temporal.db"
        self.starting = folder / "starting.lock"
        """Held by a command while it looks and starts, so that two commands start one service."""
        self.supervising = folder / "supervisor.lock"
        """Held by the supervisor for its life."""
        self.serving, self.working = folder / "server.lock", folder / "worker.lock"
        """Open in the server and in the Worker: whoever has it open is that daemon, whatever the records say. The
        first is locked too: two servers on one SQLite file would both start (MEASURED)."""

    def make(self) -> None:
        """Make the folders, for the owner only."""
        for folder in (self.path, self.folder, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def read(path: Path) -> Daemon | None:
    """The record in a file, or `None` for anything that is not one."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict):
        return None
    known = {field.name: values.get(field.name, "") for field in fields(Daemon)}
    pid = known.pop("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or not all(isinstance(value, str) for value in known.values()):
        return None
    return Daemon(pid, **known)


def living(path: Path) -> Daemon | None:
    """The daemon of a record, if it runs."""
    daemon = read(path)
    return daemon if daemon is not None and daemon.alive else None


def write(path: Path, daemon: Daemon) -> None:
    """Replace a record, whole."""
    write_json(path, asdict(daemon))


def write_json(path: Path, values: object) -> None:
    """Replace a JSON file by rename: a reader sees the old one or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        json.dump(values, file)
    Path(temporary).replace(path)


def holders(lock: Path) -> list[Daemon]:
    """Processes of this user that have a lock file open, found through `/proc`, without those that inherited it from
    another one of them: a Worker's interpreters end with it, or are holders themselves once it is gone."""
    target = str(lock.resolve())
    pids = [pid for pid in _pids() if pid != os.getpid() and _has_open(pid, target)]
    return [Daemon.of(pid) for pid in pids if _parent(pid) not in pids]


def environment_of(daemon: Daemon) -> dict[str, str] | None:
    """The environment that a process was started with, or `None` if it cannot be read."""
    try:
        block = Path(f"/proc/{daemon.pid}/environ").read_bytes()
    except OSError:
        return None
    pairs = (item.partition(b"=") for item in block.split(b"\0") if item)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _has_open(pid: int, target: str) -> bool:
    try:
        return any(_link(entry) == target for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it is gone, or another user's


def _link(entry: Path) -> str | None:
    try:
        return str(entry.readlink())
    except OSError:
        return None  # closed while we looked
