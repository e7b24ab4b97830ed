"""A Temporal server, Workers and commands that a test starts and kills itself, without a supervisor between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.worker.service import ports, server
from tenuto.worker.service.records import Home
from tenuto.worker.simulated_api import SimulatedApi

from ..cli.command import Tenuto, until

ENDS_S = 90.0
"""A run that does not end within that is wedged: it takes some ten seconds, a kill some ten more."""
LOADED = "import sys; from tenuto.worker.process import main; sys.stdin.read(); main()"


@dataclass
class Bench:
    """One server, whose Workers ask `api`. Everything lies under `folder`."""

    folder: Path
    api: SimulatedApi
    environ: dict[str, str] = field(default_factory=dict)
    """More for Workers and commands: another store, another address."""

    def __post_init__(self) -> None:
        self.home = Home(self.folder / "home")
        self.home.make()
        self.port = ports.choose(self.home)
        self.address = f"{ports.LOOPBACK}:{self.port}"
        key = {"ANTHROPIC_BASE_URL": self.api.url, "ANTHROPIC_API_KEY": "sk-test"}
        given = {"TEMPORAL_ADDRESS": self.address, "TENUTO_LOCAL_STORE": "1", **key, **self.environ}
        self.tenuto = Tenuto(self.home.path, self.folder, given)
        self.spare: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.followers: list[subprocess.Popen[str]] = []
        self.server: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> Store:
        """The store of its runs."""
        return Store(self.environ.get("TENUTO_STORE", (self.home.path / "store").as_uri()))

    async def client(self) -> Client:
        """A Client of its server, whatever it takes until that answers."""
        while True:
            try:
                return await Client.connect(self.address, plugins=[TenutoPlugin(self.store)])
            except RuntimeError:
                assert self.server is not None
                assert self.server.poll() is None, "the server has ended"

    # ------------------------------------------------------------------------------------------- processes

    def start_server(self) -> None:
        """Start the server, or start it again on what it had."""
        with (self.home.logs / "server.log").open("ab") as output:
            self.server = subprocess.Popen(server.command(self.home, self.port), stdout=output, stderr=output)
        until(lambda: ports.listens(self._server_pid(), self.port), 30)

    def _server_pid(self) -> int:
        assert self.server is not None
        assert self.server.poll() is None, (self.home.logs / "server.log").read_text()[-2000:]
        return self.server.pid

    def kill_server(self) -> None:
        """SIGKILL."""
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def start_worker(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start one more Worker: at once, where its environment is the usual one."""
        worker = self._load(environ) if environ or self.spare is None else self.spare
        if not environ:
            self.spare = self._load({})
        assert worker.stdin is not None
        worker.stdin.close()
        self.workers.append(worker)
        return worker

    def one_worker(self) -> subprocess.Popen[bytes]:
        """The first Worker, started if there is none."""
        return self.workers[0] if self.workers else self.start_worker()

    def _load(self, environ: dict[str, str]) -> subprocess.Popen[bytes]:
        """A Worker that has loaded its code, which takes seconds, and waits for the end of its input."""
        with (self.home.logs / "worker.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", LOADED],
                env=self.tenuto.environ(environ),
                cwd=self.home.path,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGKILL: of it alone, as the kernel does for want of memory."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)

    def end_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGTERM, as an upgrade does."""
        worker.terminate()
        worker.wait(timeout=30)
        self.workers.remove(worker)

    def follow(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """A command that goes on while the test does."""
        follower = self.tenuto.start(*words, env=environ)
        self.followers.append(follower)
        return follower

    def report(self, follower: subprocess.Popen[str], *, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """What a follower prints at the end of its run."""
        out, err = follower.communicate(timeout=ENDS_S)
        assert follower.returncode in codes, (follower.returncode, err[-2000:], out[-2000:])
        found: dict[str, Any] = json.loads(out)
        return found

    def end(self, *, server: bool = False) -> None:
        """End what a test left, Workers by SIGKILL; a server is left to the next test unless told otherwise."""
        for follower in self.followers:
            if follower.poll() is None:
                follower.kill()
                follower.communicate()
        self.followers.clear()
        for worker in list(self.workers):
            os.kill(worker.pid, signal.SIGCONT)
            self.kill_worker(worker)
        if not server:
            return
        if self.spare is not None:
            self.spare.kill()
            self.spare.communicate()
        if self.server is not None and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(timeout=30)

    # --------------------------------------------------------------------------------------- what is left over

    def strays(self) -> list[str]:
        """Command lines of processes that work for this bench and that none of its living processes started."""
        living = [self.server, self.spare, *self.workers, *self.followers]
        roots = {process.pid for process in living if process is not None and process.poll() is None}
        processes = _processes()
        strays = [pid for pid in processes if self._concerns(pid) and not _descends(pid, processes, roots)]
        return [f"{pid}: {_command(pid)}" for pid in strays]

    def _concerns(self, pid: int) -> bool:
        """By its command, its environment, or where it stands: a command in the sandbox has only the last."""
        place = str(self.folder).encode()
        try:
            return (
                place in Path(f"/proc/{pid}/cmdline").read_bytes()
                or place in Path(f"/proc/{pid}/environ").read_bytes()
                or str(Path(f"/proc/{pid}/cwd").readlink()).startswith(str(self.folder))
            )
        except OSError:
            return False


def _processes() -> dict[int, int]:
    """Pid -> parent of all that are no zombies."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(entry.parent.name)] = int(fields[1])
    return found


def _descends(pid: int, processes: dict[int, int], roots: set[int]) -> bool:
    while pid > 1:
        if pid in roots:
            return True
        pid = processes.get(pid, 0)
    return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    except OSError:
        return "gone"
