"""Five thousand agents in one script, through the installed command: one run, several Event Histories.

The run asks for all of them at once, 64 wide, and goes on in a new history whenever the Temporal Service suggests it.
With `--kill` its Worker is killed each time that happens. Prints how long it took, the Worker's memory, and each
history's events and bytes. Exit code 1 where an agent that had been answered was asked again, a history is over 10 MB,
or the Worker's memory grew by more than 150 MB between the first and the last history.

    python benchmarks/large.py [--agents 5000] [--width 64] [--dialect python|javascript] [--kill]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from tenuto.worker.service import service as embedded
from tenuto.worker.service.records import Home, living

HISTORY_BYTES_MAX = 10_000_000
GROWTH_MB_MAX = 150.0
RUN = "wf_large"
BLOCK = 2_500
SCRIPTS = {
    "python": (
        "large.py",
        f"""from tenuto import Meta, agent, parallel
meta = Meta(name="large", description="Very many agents")
async def block(first, last):
    return await parallel([agent(f"work {{n}}") for n in range(first, last)])
async def main(args):
    said = await parallel([block(n, min(n + {BLOCK}, args)) for n in range(0, args, {BLOCK})])
    return sum(text is not None for texts in said for text in texts)
""",
    ),
    "javascript": (
        "large.js",
        f"""export const meta = {{ name: 'large', description: 'Very many agents' }}
const block = (first, last) => parallel(
  Array.from({{ length: last - first }}, (_, n) => () => agent(`work ${{first + n}}`)))
const starts = Array.from({{ length: Math.ceil(args / {BLOCK}) }}, (_, n) => n * {BLOCK})
const said = await parallel(starts.map((n) => () => block(n, Math.min(n + {BLOCK}, args))))
return said.flat().filter((text) => text !== null).length
""",
    ),
}


class Bench:
    """A home with its service, and a simulated API whose log is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.log = folder, folder / "home", folder / "requests.jsonl"
        self._api = subprocess.Popen(
            [sys.executable, "-m", "tenuto.worker.simulated_api", "--log", str(self.log)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._api.stdout is not None
        self._url = self._api.stdout.readline().strip()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on meanwhile."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TENUTO_", "TEMPORAL_"))},
            "TENUTO_HOME": str(self.home),
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": self._url,
        }
        command = [sys.executable, "-m", "tenuto.worker", *words]
        return subprocess.Popen(command, cwd=self.folder, env=environ, stdout=subprocess.PIPE, text=True)

    def worker(self) -> int | None:
        """Process id of the Worker."""
        worker = living(Home(self.home).worker)
        return worker.pid if worker is not None else None

    def requests(self) -> Counter[str]:
        """How often each prompt was asked."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return Counter(line["prompt"] for line in lines if line["event"] == "started")

    def close(self) -> None:
        """End everything."""
        self.start("down").communicate()
        self._api.kill()
        self._api.wait()


def memory_mb(pid: int | None) -> float:
    """Resident memory of one process; 0 of one that is gone."""
    try:
        found = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split(maxsplit=1)
    except OSError:
        found = []
    return int(found[0]) / 1024 if found else 0.0


async def watch(bench: Bench, follower: subprocess.Popen[str], *, kill: bool) -> tuple[dict[str, float], int]:
    """Until the run has ended: the Worker's greatest memory in each history, and how often it was killed."""
    found = embedded.current(bench.home)
    assert found is not None
    client = await Client.connect(found.address)
    memory: dict[str, float] = {}
    kills = 0
    while True:
        await asyncio.sleep(0.1)
        try:
            described = await client.get_workflow_handle(RUN).describe()
        except RPCError:  # it has not started yet
            if follower.poll() is not None:
                raise
            continue
        if described.status != WorkflowExecutionStatus.RUNNING:
            return memory, kills
        run_id, pid = described.run_id, bench.worker()
        if kill and memory and run_id not in memory and pid is not None:
            os.kill(pid, signal.SIGKILL)
            kills += 1
        memory[run_id] = max(memory.get(run_id, 0.0), memory_mb(pid))


async def sizes(bench: Bench, run_ids: list[str]) -> list[tuple[int, int]]:
    """Events and bytes of each history."""
    found = embedded.current(bench.home)
    assert found is not None
    client = await Client.connect(found.address)
    histories = [await client.get_workflow_handle(RUN, run_id=run_id).fetch_history() for run_id in run_ids]
    return [(len(one.events), sum(event.ByteSize() for event in one.events)) for one in histories]


def main() -> int:
    """Measure and print; 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=5000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--dialect", choices=sorted(SCRIPTS), default="python")
    parser.add_argument("--kill", action="store_true", help="kill the Worker in each new history")
    asked = parser.parse_args()
    name, source = SCRIPTS[asked.dialect]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        run = bench.start("up")
        try:
            (bench.folder / name).write_text(source)
            run.communicate()
            started = time.monotonic()
            width = ("--concurrency", str(asked.width), "--max-agents", str(asked.agents))
            run = bench.start("run", name, "--args", str(asked.agents), "--id", RUN, "--json", "--yes", *width)
            memory, kills = asyncio.run(watch(bench, run, kill=asked.kill))
            took = time.monotonic() - started
            report: dict[str, Any] = json.loads(run.communicate()[0])
            found = asyncio.run(sizes(bench, list(memory)))
            times = bench.requests()
        finally:
            bench.close()
            run.kill()
    for number, (mb, (events, size)) in enumerate(zip(memory.values(), found, strict=True), 1):
        print(f"history {number}: {events:6,} events, {size / 1e6:5.2f} MB; Worker at most {mb:5.0f} MB")
    if report["status"] != "completed":
        print(f"{report['status']}: {report['error'] or report['failures'][:3]}")
        return 1
    again = sum(count - 1 for count in times.values())
    print(f"{report['result']:,} of {asked.agents:,} agents in {took:.1f} s; {kills} kills, {again} asked again")
    first, *_, last = [*memory.values(), *memory.values()]
    growth = last - first
    fine = (
        report["result"] == asked.agents == len(times)
        and again <= kills * asked.width
        and all(size <= HISTORY_BYTES_MAX for _, size in found)
        and growth <= GROWTH_MB_MAX
    )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
