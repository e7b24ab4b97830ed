"""Replaying a long run is quick: a Worker that comes back goes on within seconds."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tenuto.workflows.contracts import RunLimits

from ..workflows.conftest import Stage, stage
from .replaying import replay

__all__ = ["stage"]

AGENTS = 1000
SECONDS_MAX = 2.0
TRIES = 3
"""CPU time counts what neighbours take of caches and clock: the best of several is the program's own."""
SCRIPTS = {
    "s.py": "from tenuto import Meta, agent, parallel\nmeta = Meta(name='t', description='d')\n"
    "async def main(args):\n    return len(await parallel([agent(f'work {n}') for n in range(args)]))\n",
    "s.js": "export const meta = { name: 't', description: 'd' }\n"
    "return (await parallel(Array.from({ length: args }, (_, n) => () => agent(`work ${n}`)))).length\n",
}


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_run_of_a_thousand_agents_replays_in_less_than_two_seconds(stage: Stage, name: str) -> None:
    async with stage.playing():
        limits = RunLimits(agents=AGENTS, concurrency=64)
        handle = await stage.start(SCRIPTS[name], name, args=AGENTS, has_args=True, limits=limits)
        assert (await handle.result(rpc_timeout=timedelta(seconds=50))).result == AGENTS
        history = await handle.fetch_history()
    spent: list[float] = []
    while len(spent) < TRIES and not any(each < SECONDS_MAX for each in spent):
        began = time.process_time()
        heard = await replay(history, stage.store)
        spent.append(time.process_time() - began)
        assert heard.report.census.done == AGENTS
    assert min(spent) < SECONDS_MAX
