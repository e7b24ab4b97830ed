"""Scenarios of patterns, people, merging, long logs and languages, and all there are together."""

from __future__ import annotations

from dataclasses import replace

from tenuto.workflows.contracts import RunLimits
from tenuto.workflows.control_contracts import SetLimitsInput

from .scenarios import PREPARED, SCENARIOS, Scenario, orchestration

PATTERNS_PY = """from tenuto import Meta, agent, converge, critic, judge, log, review, until_dry, vote
meta = Meta(name="patterns", description="Patterns over agents")

async def main(args):
    best = await judge(["one", "two"], criteria=["short", "true"], judges=2)
    missing = await critic("the work", task="all of it")
    voted = await vote("typed answer", n=3, schema={"type": "object"})
    found = await until_dry(finder, empty_rounds=1, max_rounds=3)
    reviewed = await review("write it", reviewers=2, rounds=2, revise="Mend it.")
    agreed = await converge("Why?", angles=["plain", "odd"], schema={"type": "object"}, rounds=1)
    for i in range(501):
        log(f"line {i}")
    return [best["winner"], missing["verdict"], voted["value"], found["items"], reviewed["verdict"], agreed["verdict"]]

async def finder(items, round):
    return [await agent(f"find in round {round}")] if round == 1 else []
"""
PATTERNS_JS = """export const meta = { name: 'patterns', description: 'Patterns over agents' }
const best = await judge(['one', 'two'], { criteria: ['short', 'true'], judges: 2 })
const missing = await critic('the work', { task: 'all of it' })
const voted = await vote('typed answer', { n: 3, schema: { type: 'object' } })
const finder = async (items, round) => (round === 1 ? [await agent(`find in round ${round}`)] : [])
const found = await untilDry(finder, { emptyRounds: 1, maxRounds: 3 })
for (let i = 0; i < 501; i++) log(`line ${i}`)
return [best.winner, missing.verdict, voted.value, found.items]
"""
PEOPLE_PY = """from tenuto import Meta, ask, sleep, wait_for
meta = Meta(name="people", description="Two questions and an event")

async def main(args):
    first = await ask("Which?", options=["red", "blue"])
    told = await wait_for("deployed", timeout=3600)
    await sleep(0.5)
    return [first, told, await ask("And why?")]
"""
PEOPLE_JS = """export const meta = { name: 'people', description: 'Two questions and an event' }
const first = await ask('Which?', { options: ['red', 'blue'] })
const told = await waitFor('deployed', { timeout: 3600 })
await sleep(0.5)
return [first, told, await ask('And why?')]
"""
MERGED_PY = """from tenuto import Meta, agent, parallel
meta = Meta(name="merged", description="Commits onto one branch, and files in keys")

async def main(args):
    prompts = ["tree plain", "tree conflict", "tree stubborn"]
    trees = await parallel([agent(each, isolation="worktree", merge="queue") for each in prompts])
    return [trees, await agent("look", inputs=["a.txt", "src/*.py"])]
"""
LOCALE_JS = """export const meta = { name: 'locale', description: 'Words and numbers as people write them' }
const words = ['zebra', 'Äpfel', 'apple', 'Zoo', 'item 10', 'item 9'].sort((a, b) => a.localeCompare(b))
const natural = ['item 10', 'item 9'].sort(new Intl.Collator('en', { numeric: true }).compare)
const usd = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(1234.5)
const day = new Date(0).toLocaleDateString('en-US', { dateStyle: 'long', timeZone: 'UTC' })
return await agent([...words, ...natural, (1234567.891).toLocaleString(), usd, day].join(' | '))
"""

LOWERED_PY = """from tenuto import Meta, agent, parallel, review
meta = Meta(name="lowered", description="Agents at work, and reviewers", phases=["Work"])

async def main(args):
    work = [agent(f"work {i}", phase="Work") for i in range(3)]
    return await parallel([review("dear work", quorum=1), *work])
"""
LOWERED_JS = """export const meta = { name: 'lowered', description: 'Agents at work', phases: [{ title: 'Work' }] }
return await parallel([1, 2, 3].map((i) => () => agent(`work ${i}`, { phase: 'Work' })))
"""
ROUNDS_PY = """from tenuto import Meta, agent, sleep
meta = Meta(name="rounds", description="Goes round without any time passing")


async def main(args):
    for i in range(args):
        await sleep(0)
    said = await agent("between")
    for i in range(args):
        await sleep(0)
    return said
"""
ROUNDS_JS = """export const meta = { name: 'rounds', description: 'Goes round without any time passing' }
for (let i = 0; i < args; i++) await sleep(0)
const said = await agent('between')
for (let i = 0; i < args; i++) await new Promise((done) => setTimeout(done, 0))
return said
"""

ELDERS_PY = """from tenuto import Meta, agent, parallel
meta = Meta(name="elders", description="Twelve agents whose first shares are too small")

async def main(args):
    return await parallel([agent(f"dear {n}") for n in range(12)])
"""

HELD_PY = """from tenuto import Meta, agent, gate
meta = Meta(name="held", description="A runner that says nothing, and a function")

async def main(args):
    await agent("work")
    silent = await gate(args["check"])
    told = await gate(lambda: True, label="ours", allow_changes="docs/**")
    return [silent["passed"], silent["reason"], told["passed"]]
"""
HELD_JS = """export const meta = { name: 'held', description: 'A runner that says nothing, and a function' }
await agent('work')
const silent = await gate(args.check)
const told = await gate(() => true, { label: 'ours', allowChanges: 'docs/**' })
return [silent.passed, silent.reason, told.passed]
"""

LATER: dict[str, Scenario] = {
    "orchestration-patterns-python-v1": replace(
        orchestration(PATTERNS_PY, "patterns.py", limits=RunLimits(concurrency=2)),
        children={"adversarial-review-accepted-v1": "/review-1"},
    ),
    "orchestration-patterns-javascript-v1": orchestration(PATTERNS_JS, "patterns.js", limits=RunLimits(concurrency=2)),
    "orchestration-people-python-v1": replace(
        orchestration(PEOPLE_PY, "people.py", search_attributes=True), answered=True
    ),
    "orchestration-people-javascript-v1": replace(orchestration(PEOPLE_JS, "people.js"), answered=True),
    "orchestration-merged-v1": orchestration(MERGED_PY, "merged.py", limits=RunLimits(concurrency=1), **PREPARED),
    "orchestration-rounds-python-v1": orchestration(ROUNDS_PY, "rounds.py", args=100, has_args=True),
    "orchestration-rounds-javascript-v1": orchestration(ROUNDS_JS, "rounds.js", args=100, has_args=True),
    "orchestration-held-gates-python-v1": orchestration(
        HELD_PY, "held.py", args={"check": "pytest -q"}, has_args=True, **PREPARED
    ),
    "orchestration-held-gates-javascript-v1": orchestration(
        HELD_JS, "held.js", args={"check": "pytest -q"}, has_args=True, **PREPARED
    ),
    "orchestration-locale-javascript-v1": orchestration(LOCALE_JS, "locale.js", locale=True),
    "orchestration-lowered-v1": replace(
        orchestration(LOWERED_PY, "lowered.py", limits=RunLimits(concurrency=4, on_limit="ask"), waits=True),
        lowered=SetLimitsInput(usd=0.03),
        raised=True,
        children={"adversarial-review-lowered-v1": "/review-1"},
    ),
    "orchestration-elders-v1": orchestration(
        ELDERS_PY, "elders.py", limits=RunLimits(concurrency=4, usd=0.1, on_limit="ask")
    ),
    # Recorded by a version that told nobody who was under way. It has to go on so, and to do better the next time.
    "orchestration-lowered-untold-v1": replace(
        orchestration(LOWERED_JS, "lowered.js", limits=RunLimits(concurrency=2, on_limit="ask"), waits=True),
        lowered=SetLimitsInput(usd=5.0),
    ),
}
ALL = {**SCENARIOS, **LATER}
