"""What agents in flight take of the Worker's memory: 16, 116 and 316 of them, each held open in its second turn.

Through the installed command: the real embedded service and its Worker process. Every agent has read a file with a tool
and waits for the model's next answer, which the simulated API holds back. Exit code 1 where the Worker is over 400 MB
with 16 agents, or takes over 2 MB for each further one.

    python benchmarks/memory.py [--more 100 200] [--file-kb 20]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tenuto.worker.service.records import Home, living

FIRST_AGENTS = 16
WORKER_MB_MAX = 400.0
MB_PER_AGENT_MAX = 2.0
PATIENCE_S = 240.0
SETTLE_S = 3.0
"""Heartbeats have been sent by then, and what a burst of starts has left behind is collected."""
SCRIPT = """from tenuto import Meta, agent, parallel
meta = Meta(name="hold", description="Agents that wait for their model")
async def main(args):
    return len(await parallel([agent(f"Read notes.md, part {i}.") for i in range(args)]))
"""
RULES = [
    {"match": {"turn": 1}, "reply": {"tool_use": [{"name": "Read", "input": {"file_path": "notes.md"}}]}},
    {"latency_s": 3600.0},
]


class Bench:
    """A home with its service, a workspace, and a simulated API that holds its answers back."""

    def __init__(self, folder: Path, file_kb: int) -> None:
        self._home = folder / "home"
        self._workspace = folder / "workspace"
        self._workspace.mkdir()
        line = "a line of notes that an agent reads\n"
        (self._workspace / "notes.md").write_text(line * (file_kb * 1024 // len(line)))
        (self._workspace / "hold.py").write_text(SCRIPT)
        rules = folder / "rules.json"
        rules.write_text(json.dumps(RULES))
        self._api = subprocess.Popen(
            [sys.executable, "-m", "tenuto.worker.simulated_api", "--rules", str(rules)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._api.stdout is not None
        self._url = self._api.stdout.readline().strip()

    def tenuto(self, *words: str) -> None:
        """Run the command."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TENUTO_", "TEMPORAL_"))},
            "TENUTO_HOME": str(self._home),
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": self._url,
        }
        subprocess.run(
            [sys.executable, "-m", "tenuto.worker", *words],
            cwd=self._workspace,
            env=environ,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def worker_mb(self) -> float:
        """Resident memory of the Worker process, without its interpreters' processes."""
        worker = living(Home(self._home).worker)
        assert worker is not None, "the Worker is gone"
        status = Path(f"/proc/{worker.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split(maxsplit=1)[0]) / 1024

    def hold(self, agents: int, in_flight: int) -> float:
        """Start a run of so many agents, wait until `in_flight` wait for the model, and give the Worker's memory."""
        words = ("--concurrency", str(agents), "--args", str(agents), "--detach", "--yes")
        self.tenuto("run", "hold.py", *words)
        deadline = time.monotonic() + PATIENCE_S
        while self._held() < in_flight:
            if time.monotonic() > deadline:
                raise SystemExit(f"after {PATIENCE_S:g} s only {self._held()} of {in_flight} agents wait for the model")
            time.sleep(0.2)
        time.sleep(SETTLE_S)
        return self.worker_mb()

    def close(self) -> None:
        """End everything."""
        self.tenuto("down")
        self._api.kill()
        self._api.wait()

    def _held(self) -> int:
        with urllib.request.urlopen(f"{self._url}/_requests?summary") as answer:
            summary: dict[str, Any] = json.load(answer)
        return int(summary["in_flight"])


def main() -> int:
    """Measure and print; 1 where memory is over what it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=int, nargs="*", default=[100, 200], help="agents added to the 16, step by step")
    parser.add_argument("--file-kb", type=int, default=20, help="size of the file that each agent has read")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), asked.file_kb)
        try:
            bench.tenuto("up")
            in_flight = FIRST_AGENTS
            first = memory = bench.hold(in_flight, in_flight)
            print(f"{in_flight:4} agents in flight  {memory:6.1f} MB")
            dearest = 0.0
            for more in asked.more:
                before, in_flight = memory, in_flight + more
                memory = bench.hold(more, in_flight)
                dearest = max(dearest, (memory - before) / more)
                print(f"{in_flight:4} agents in flight  {memory:6.1f} MB  {(memory - before) / more:5.2f} MB each")
        finally:
            bench.close()
    print(f"at most {WORKER_MB_MAX:g} MB with {FIRST_AGENTS}, and {MB_PER_AGENT_MAX:g} MB for each further one")
    return 0 if first <= WORKER_MB_MAX and dearest <= MB_PER_AGENT_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
