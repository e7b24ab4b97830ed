"""A run outgrows its Event History: it goes on in new ones, and nothing is lost, repeated, or seen by the script."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tenuto.workflows.contracts import Histories, RunAgentInput, RunLimits, RunReport

from .conftest import Stage
from .histories import histories

EVENTS = 60
PY = """from tenuto import (
    Meta, agent, ask, budget, converge, failures, gate, glob, lock, log, now, parallel, phase, pipeline, review, sh,
    sleep, vote, wait_for, workflow,
)
meta = Meta(name="t", description="d", phases=["A", "B"])
"""
JS = "export const meta = { name: 't', description: 'd', phases: [{ title: 'A' }, { title: 'B' }] }\n"

WIDE = {
    "s.py": PY
    + """
async def one(n):
    said = await agent(f"wide {n}", label=f"w{n}")
    return await agent(f"after {n}: {said}") if n % 3 == 0 else said


async def main(args):
    phase("A")
    return await parallel([one(n) for n in range(args)])
""",
    "s.js": JS
    + """
phase('A')
return await parallel(Array.from({ length: args }, (_, n) => async () => {
  const said = await agent(`wide ${n}`, { label: `w${n}` })
  return n % 3 === 0 ? await agent(`after ${n}: ${said}`) : said
}))
""",
}
CHAIN = {
    "s.py": PY
    + """
import random


async def main(args):
    began, chances, spent = now(), [], []
    for n in range(args):
        chances.append(random.random())
        try:
            await agent(f"link {n} {chances[-1]:.6f}")
        except RuntimeError as error:
            log(f"{n}: {error}")
        spent.append(budget.spent())
        if n % 10 == 5:
            await sleep(3600)
    return [chances, spent, len(failures()), now() - began >= 3600 * (args // 10)]
""",
    "s.js": JS
    + """
const began = now(), chances = [], spent = []
for (let n = 0; n < args; n++) {
  chances.push(Math.random())
  if (await agent(`link ${n} ${chances.at(-1).toFixed(6)}`) === null) log(`${n}: lost`)
  spent.push(budget.spent())
  if (n % 10 === 5) await sleep(3600)
}
return [chances, spent, failures().length, now() - began >= 3600 * Math.floor(args / 10)]
""",
}


async def fails_at_times(input: RunAgentInput) -> Any:
    if input.prompt.startswith("link 7 "):
        raise ApplicationError("refused", type="refusal", non_retryable=True)
    return f"answer to: {input.prompt}"


def asked(stage: Stage) -> Counter[str]:
    return Counter(input.prompt for input in stage.asked)


def known(report: RunReport) -> dict[str, Any]:
    """What a report says of the outcome, without what each run has of its own."""
    return report.model_dump(include={"status", "result", "census", "failures", "usage", "phases", "gates"})


async def both(stage: Stage, source: str, name: str, **given: Any) -> tuple[RunReport, RunReport, int]:
    """A run in one history and the same in several: their reports, and how many histories there were."""
    plain = await (await stage.start(source, name, has_args=True, seed="x", **given)).result()
    before = asked(stage)
    stage.asked.clear()
    handle = await stage.start(source, name, has_args=True, seed="x", histories=Histories(events=EVENTS), **given)
    continued = await handle.result()
    assert asked(stage) == before
    return plain, continued, len(await histories(stage.client, handle))


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_wide_run_comes_to_the_same_and_each_agent_is_asked_once(stage: Stage, name: str) -> None:
    async with stage.playing():
        plain, continued, number = await both(stage, WIDE[name], name, args=60, limits=RunLimits(concurrency=8))
    assert number >= 3
    assert known(continued) == known(plain)
    assert [agent.id for agent in continued.agents] == [agent.id for agent in plain.agents]
    assert max(asked(stage).values()) == 1


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_chain_sees_the_same_chance_budget_failures_and_time(stage: Stage, name: str) -> None:
    async with stage.playing(fails_at_times):
        plain, continued, number = await both(stage, CHAIN[name], name, args=40)
    assert number >= 3
    assert known(continued) == known(plain)
    assert continued.result[2:] == [1, True]


async def test_a_run_of_an_earlier_version_stays_in_one_history(stage: Stage) -> None:
    async with stage.playing():
        handle = await stage.start(WIDE["s.py"], args=60, has_args=True)
        await handle.result()
    (history,) = await histories(stage.client, handle)
    assert len(history.events) > EVENTS
