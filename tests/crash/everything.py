"""A small run that uses every primitive once, in both dialects, with the answers of its agents fixed by rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

PYTHON = """from tenuto import (
    Meta, agent, ask, budget, converge, critic, failures, gate, glob, grep, judge, lock, log, now, parallel, phase,
    pipeline, pull_request, read, review, sh, sleep, until_dry, until_green, vote, wait_for, workflow, write,
)
meta = Meta(name="everything", description="Every primitive once", phases=["Look", "Work", "Check", "End"])
ANSWER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

async def main(args):
    started = now()
    phase("Look")
    log("begins")
    first = await agent("chaos first", schema=ANSWER, label="first")
    both = await parallel([agent("chaos left"), agent("chaos right"), lambda: agent("chaos late")])
    piped = await pipeline(["a", "b"], look, look_again)
    inner = await workflow("inner", {"n": first["n"]})
    phase("Work")
    await write("made.txt", "made\\n")
    made = [await read("made.txt"), await glob("m*.txt"), [hit["line"] for hit in await grep("^made", "*.txt")]]
    again = (await sh("echo again >> again.log; echo said"))["stdout"]
    try:
        once = (await sh("echo once >> once.log", repeat=False))["exit_code"]
    except RuntimeError as error:
        once = str(error).partition(":")[0]
    held = await parallel([lock("door", inside), lock("door", inside)])
    tools = await agent("chaos tools")
    trees = await parallel([tree("chaos tree one."), tree("chaos tree two.")])
    request = await pull_request(branch="nowhere", title="t", body="b")
    phase("Check")
    reviewed = await review("draft", reviewers=2, rounds=2, revise="Mend it.")
    agreed = await converge("chaos why", angles=["plain", "odd"], schema=ANSWER)
    voted = await vote("chaos vote", n=2, schema=ANSWER)
    best = await judge(["one", "two"], judges=2)
    missing = await critic("the work", task="chaos task")
    found = await until_dry(lambda items, round: ["x"] if round == 1 else [], empty_rounds=1)
    green = await gate("sh check.sh", attempts=2, hold=2)
    mended = await until_green("sh check.sh", lambda failure: agent("chaos mend"))
    phase("End")
    said = await ask("Ship it?", options=["yes", "no"])
    told = await wait_for("go")
    await sleep(0.3)
    return {
        "once": once,
        "rest": [
            first, both, piped, inner, made, again, held, tools, trees, request["url"],
            [reviewed["verdict"], reviewed["final"], reviewed["rounds"]], [agreed["verdict"], agreed["value"]],
            [voted["verdict"], voted["value"]], best["winner"], missing["verdict"], found["items"],
            green["passed"], mended["reason"], said, told, now() - started > 0.3, budget.total, len(failures()),
        ],
    }

async def look(item: str):
    return await agent(f"chaos look at {item}", phase="Look", label=item)

async def look_again(previous, item):
    return await agent(f"chaos again {item}: {previous}")

async def inside():
    return (await sh("echo locked"))["exit_code"]

async def tree(prompt: str):
    return await agent(prompt, isolation="worktree", merge="queue")
"""
JAVASCRIPT = """export const meta = {
  name: 'everything-js', description: 'Every primitive once',
  phases: [{ title: 'Look' }, { title: 'Work' }, { title: 'Check' }, { title: 'End' }],
}
const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
const started = now()
phase('Look')
log('begins')
const first = await agent('chaos first', { schema, label: 'first' })
const both = await parallel([() => agent('chaos left'), () => agent('chaos right'), () => agent('chaos late')])
const piped = await pipeline(['a', 'b'],
  (item) => agent(`chaos look at ${item}`, { phase: 'Look', label: item }),
  (previous, item) => agent(`chaos again ${item}: ${previous}`))
const inner = await workflow('inner', { n: first.n })
phase('Work')
await write('made.txt', 'made\\n')
const made = [await read('made.txt'), await glob('m*.txt'), (await grep('^made', '*.txt')).map((hit) => hit.line)]
const again = (await sh('echo again >> again.log; echo said')).stdout
let once
try { once = (await sh('echo once >> once.log', { repeat: false })).exitCode } catch (error) { once = error.kind }
const inside = async () => (await sh('echo locked')).exitCode
const held = await parallel([() => lock('door', inside), () => lock('door', inside)])
const tools = await agent('chaos tools')
const tree = (prompt) => agent(prompt, { isolation: 'worktree', merge: 'queue' })
const trees = await parallel([() => tree('chaos tree one.'), () => tree('chaos tree two.')])
const request = await pullRequest({ branch: 'nowhere', title: 't', body: 'b' })
phase('Check')
const reviewed = await review('draft', { reviewers: 2, rounds: 2, revise: 'Mend it.' })
const agreed = await converge('chaos why', { angles: ['plain', 'odd'], schema })
const voted = await vote('chaos vote', { n: 2, schema })
const best = await judge(['one', 'two'], { judges: 2 })
const missing = await critic('the work', { task: 'chaos task' })
const found = await untilDry((items, round) => (round === 1 ? ['x'] : []), { emptyRounds: 1 })
const green = await gate('sh check.sh', { attempts: 2, hold: 2 })
const mended = await untilGreen('sh check.sh', () => agent('chaos mend'))
phase('End')
const said = await ask('Ship it?', { options: ['yes', 'no'] })
const told = await waitFor('go')
await sleep(0.3)
return {
  once,
  rest: [first, both, piped, inner, made, again, held, tools, trees, request.url,
    [reviewed.verdict, reviewed.final, reviewed.rounds], [agreed.verdict, agreed.value], [voted.verdict, voted.value],
    best.winner, missing.verdict, found.items, green.passed, mended.reason, said, told, now() - started > 0.3,
    budget.total, failures().length],
}
"""
WIDE = """from tenuto import Meta, agent, parallel
meta = Meta(name="wide", description="Agents, two dozen at once or one after the other", phases=["Work"])
async def main(args):
    said = await parallel([two(i) for i in range(24)])
    return {"rest": said}

async def two(i: int):
    first = await agent(f"chaos wide {i}", phase="Work")
    return await agent(f"chaos then {i}: {first}", phase="Work")
"""
SCRIPTS = {"everything.py": PYTHON, "everything.js": JAVASCRIPT, "wide.py": WIDE}
INNER = """from tenuto import Meta, agent, log
meta = Meta(name="inner", description="Called by the others")
async def main(args):
    log("inside")
    return await agent(f"chaos inner {args['n']}")
"""


AGAIN: tuple[dict[str, Any], ...] = ({"turn": 1}, {"last_contains": "is unknown"})
"""An agent that is told that nobody knows whether its command ran gives it once more."""


def _bash(prompt: str, command: str, **when: Any) -> dict[str, Any]:
    use = {"tool_use": [{"name": "Bash", "input": {"command": command}}]}
    return {"match": {"prompt_contains": prompt, **when}, "reply": use}


def _answers(prompt: str, value: Any) -> dict[str, Any]:
    return {"match": {"prompt_contains": prompt}, "reply": {"json": value}}


REFUTED = {"verdict": "fail", "objections": ["it is a draft"], "evidence": ["seen"]}
ACCEPTED = {"verdict": "pass", "objections": [], "evidence": ["checked"]}
RULES: list[dict[str, Any]] = [
    _bash("chaos tools", "echo tool >> tool.log", turn=1),
    *(_bash(f"chaos tree {name}.", f"echo {name} > {name}.txt", **when) for name in ("one", "two") for when in AGAIN),
    {"match": {"prompt_regex": "chaos (tools|tree)"}, "reply": {"text": "done"}},
    _answers("<work>\ndraft\n</work>\n\nAnswer", REFUTED),
    {"match": {"prompt_contains": "Independent reviewers did not accept"}, "reply": {"text": "mended"}},
    _answers("<work>\nmended\n</work>", ACCEPTED),
    *(_answers(f"chaos {each}", {"n": 7}) for each in ("first", "why", "vote")),
]
"""What decides the course of the run; all else is answered by the simulated model, the same each time."""


def workspace(folder: Path) -> Path:
    """A fresh repository for one run, in place of what was there: prompts and answers know its path."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".tenuto" / "workflows").mkdir(parents=True)
    (folder / ".tenuto" / "workflows" / "inner.py").write_text(INNER)
    (folder / "check.sh").write_text("test -f check.sh\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "A check")
    return folder


def git(folder: Path, *words: str) -> str:
    """Run git there, as the user of the repository."""
    named = ["-c", "user.name=User", "-c", "user.email=user@example.invalid"]
    done = subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
