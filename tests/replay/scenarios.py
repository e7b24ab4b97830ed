"""The runs whose histories are kept: what they start with, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tenuto.workflows.contracts import Histories, RunAgentInput, RunInput, RunLimits, Script
from tenuto.workflows.control_contracts import SetLimitsInput
from tenuto.workflows.journal import Material, key_of, step_key
from tenuto.workflows.journal_contracts import KnownAnswer, OpenJournalResult
from tenuto.workflows.models import resolve
from tenuto.workflows.review_prompts import ANSWER, to_review
from tenuto.workflows.script.dialects import load
from tenuto.workflows.setup_contracts import AgentTypeView, Policy, PrepareRunResult

PY = (
    "from tenuto import Meta, agent, budget, failures, log, now, parallel, phase, pipeline, sleep, workflow\n"
    'meta = Meta(name="golden", description="Every primitive once", phases=["Find", "Check"])\n\n\n'
)
JS = "export const meta = { name: 'golden', description: 'Every primitive once', phases: [{ title: 'Find' }] }\n"

EVERY_PRIMITIVE_PY = (
    PY
    + """SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def check(path):
    return await agent(f"check {path}", phase="Check", label=path)


async def again(previous, path):
    return f"{path}: {previous}"


async def main(args):
    started = now()
    phase("Find")
    log("begins")
    typed = await agent("typed answer", schema=SCHEMA, model="opus", effort="low")
    try:
        await agent("bad one")
    except RuntimeError as error:
        log(f"caught {error}")
    both = await parallel([agent("left"), agent("bad right"), lambda: agent("late")])
    piped = await pipeline(["a.py", "bad.py", "c.py"], check, again)
    await sleep(2)
    inner = await workflow("inner", {"n": typed["n"]})
    capped = "no"
    try:
        await parallel([])
        await agent("one too many")
    except RuntimeError as error:
        capped = str(error)[:6]
    return {
        "typed": typed, "both": both, "piped": piped, "inner": inner, "capped": capped, "args": args,
        "kinds": [f["kind"] for f in failures()], "slept": now() - started >= 2,
        "spent": budget.spent() > 0, "total": budget.total,
    }
"""
)
EVERY_PRIMITIVE_JS = (
    JS
    + """phase('Find')
log('begins', args.n)
const started = Date.now()
const typed = await agent('typed answer', {
  schema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }, model: 'opus', effort: 'low',
})
const lost = await agent('bad one')
const both = await parallel([() => agent('left'), () => agent('bad right'), () => agent('late')])
const piped = await pipeline(['a.js', 'bad.js', 'c.js'],
  (path) => agent(`check ${path}`, { phase: 'Check', label: path }),
  (previous, path, index) => `${index} ${path}: ${previous}`)
await new Promise((resolve) => setTimeout(resolve, 2000))
const inner = await workflow('inner', { n: typed.n })
let capped = 'no'
try { await agent('one too many') } catch (error) { capped = error.name }
return { typed, lost, both, piped, inner, capped, args, kinds: failures().map((f) => f.kind),
  slept: Date.now() - started >= 2000, spent: budget.spent() > 0, total: budget.total, chance: Math.random() }
"""
)
INNER = (
    'from tenuto import Meta, agent, log\n\nmeta = Meta(name="inner", description="Called by the others")\n\n\n'
    'async def main(args):\n    log("inside")\n    return await agent(f"inner {args[\'n\']}")\n'
)


EVERY_STEP_PY = """from tenuto import Meta, agent, glob, grep, lock, log, mcp, parallel, pull_request, read, sh, write
meta = Meta(name="steps", description="Every step once")


async def main(args):
    made = await sh("make", cwd="part", timeout=60, env={"CI": "1"}, check=True, repeat=True)
    await write("a.txt", await read("a.txt"))
    found = [await glob("*.py"), await grep("x", "*.py"), await mcp("tracker", "list", {"open": True})]

    async def deploy():
        return (await sh("deploy"))["exit_code"]

    held = await parallel([lock("deploy", deploy), lock("deploy", deploy), lock("other", deploy)])
    request = await pull_request(branch="b", title="t", body="c", draft=True)
    said = await agent("look", agent_type="critic", tools=["Read"], context=["a.txt"], isolation="worktree")
    return {"made": made["stdout"], "found": found, "held": held, "request": request, "said": said}
"""
EVERY_STEP_JS = """export const meta = { name: 'steps', description: 'Every step once' }
const made = await sh('make', { cwd: 'part', timeout: 60, env: { CI: 1 }, check: true, repeat: true })
await write('a.txt', await read('a.txt'))
const found = [await glob('*.py'), await grep('x', '*.py'), await mcp('tracker', 'list', { open: true })]
const deploy = async () => (await sh('deploy')).exitCode
const held = await parallel([() => lock('deploy', deploy), () => lock('deploy', deploy), () => lock('other', deploy)])
const request = await pullRequest({ branch: 'b', title: 't', body: 'c', draft: true })
const said = await agent('look', { agentType: 'critic', tools: ['Read'], context: ['a.txt'], isolation: 'worktree' })
return { made: made.stdout, found, held, request, said }
"""
SETUP = PrepareRunResult(
    key="runs/x/setup/0.json",
    base="0" * 40,
    agent_types={"critic": AgentTypeView(model="opus", sha256="0")},
    notices=["the workspace has changes that are not committed"],
)
"""What the played `prepare_run` answers."""

GATES_PY = """from tenuto import Meta, agent, ask, gate, until_green
meta = Meta(name="gates", description="Gates and a question")

async def main(args):
    seen = await gate("make test", attempts=2, hold=2, timeout=60, allow_changes=["tests/**"])
    mended = await until_green("make lint", lambda failure: agent(f"mend {failure['text']}"), max_rounds=2)
    told = await gate(lambda: True, label="ours")
    said = await ask("Ship it?", options=["yes", "no"], default="no", timeout=1)
    return [seen["passed"], mended["reason"], told["passed"], said]
"""
GATES_JS = """export const meta = { name: 'gates', description: 'Gates and a question' }
const seen = await gate('make test', { attempts: 2, hold: 2, timeout: 60, allowChanges: ['tests/**'] })
const mended = await untilGreen('make lint', (failure) => agent(`mend ${failure.text}`), { maxRounds: 2 })
const told = await gate(() => true, { label: 'ours' })
const said = await ask('Ship it?', { options: ['yes', 'no'], default: 'no', timeout: 1 })
return [seen.passed, mended.reason, told.passed, said]
"""


@dataclass(frozen=True)
class Scenario:
    """One run. `waits` names the agents' prompts that never end by themselves: such a run is stopped meanwhile."""

    workflow: str
    input: RunInput
    waits: bool = False
    children: Mapping[str, str] = field(default_factory=dict)
    """File of a child's history -> what its Workflow Id has behind the run's."""
    controlled: bool = False
    """Instead of being stopped it is held up, and controlled by a person."""
    answered: bool = False
    """A person answers its questions, and the event comes that it waits for."""
    raised: bool = False
    """It waits at a ceiling, which a person raises."""
    lowered: SetLimitsInput | None = None
    """Set when as many agents are at work as may be, each of which stops for a share then."""
    continued: bool = False
    """It goes on in a new history, whose predecessors are kept in `continued/`."""


def script(source: str, name: str) -> Script:
    return Script.of(load(source.encode(), name))


def nested() -> Script:
    """What `load_script` answers."""
    return script(INNER, "inner.py")


def orchestration(source: str, name: str, *, waits: bool = False, **given: Any) -> Scenario:
    return Scenario("Orchestration", RunInput(script=script(source, name), **given), waits=waits)


def survey(*, waits: bool = False) -> Scenario:
    hand_written = Script(name="survey", dialect="python", source="", sha256="")
    args = {"question": "Is it safe?", "items": ["tar", "bad zip", "gzip"]}
    return Scenario("Survey", RunInput(script=hand_written, args=args, has_args=True), waits=waits)


ENDLESS_PY = PY + "async def main(args):\n    await agent('first')\n    while True:\n        pass\n"
ENDLESS_JS = JS + "await agent('first')\nwhile (true) {}\n"
MANY = PY + "async def main(args):\n    for i in range(9):\n        await agent(f'w {i}')\n"
SPENDING = JS + "await agent('x')\nconst left = budget.remaining()\nawait agent('y')\nreturn left\n"
WAITING = (
    PY + "async def main(args):\n    log('waits')\n    return await parallel([agent('wait 1'), agent('wait 2')])\n"
)

RESUMED = (
    PY
    + """async def main(args):
    said = await parallel([agent(each) for each in ("kept", "kept", "changed", "gone", "new")])
    return {"said": said, "since": now()}
"""
)


def entry(prompt: str, number: int = 0) -> str:
    """The journal entry of a call that gives nothing but a prompt."""
    call = RunAgentInput(run_id="", agent="", prompt=prompt, model=resolve(None), label="")
    return f"{key_of(call, Material())}-{number}"


def voted(lens: str) -> str:
    """The journal entry of a reviewer of what the agent that is told to write it says."""
    call = RunAgentInput(
        run_id="",
        agent="",
        prompt=to_review("answer to: write it", lens),
        model=resolve("opus"),
        label="",
        output_schema=ANSWER,
        tools=["Read", "Glob", "Grep"],
        setup="",
    )
    return f"{key_of(call, Material(base=SETUP.base))}-0"


JOURNAL = OpenJournalResult(
    entries={
        entry("kept"): "a1",
        entry("kept", 1): "a2",
        entry("gone"): "a3",
        voted("alpha"): "a7",
        voted("beta"): "a8",
    },
    lost={entry("changed"): "a.txt no longer has the content that it left"},
    answers={
        f"{step_key('ask', {'question': 'Ship it?', 'options': ['yes', 'no']})}-0": KnownAnswer(answer="yes", by="ann")
    },
)
"""What the played `open_journal` answers."""

PREPARED: dict[str, Any] = {"policy": Policy(allow=["Bash", "mcp__tracker"]), "workspace": "/nowhere"}

CONTROLLED = JS + "return await Promise.all([1, 2, 3, 4].map((i) => agent(`controlled ${i}`)))\n"

# 1 typed, 1 bad, 3 in parallel, 3 in the pipeline, 1 inside: the tenth is over the cap.
ALL = RunLimits(agents=9, concurrency=2, output_tokens=10_000)

REVIEWED = (
    JS
    + """const work = await agent('write it')
const terms = { lenses: ['correctness', 'bad lens', 'security'], quorum: 2, revise: 'Mend it.' }
const [reviewed, alone] = await parallel([() => review(work, terms), () => review({ n: 1 }, { quorum: 1 })])
const voted = await vote('typed answer', { n: 2, schema: { type: 'object' } })
let capped = 'no'
try { await review('one too many') } catch (error) { capped = error.name }
return { reviewed, alone, voted, capped }
"""
)
CHANGE_REVIEWED = (
    JS
    + """const work = await agent('write and commit it', { isolation: 'worktree' })
const own = await review(work, { lenses: ['alpha', 'beta'], revise: 'Mend and commit it.' })
return [own, await review({ commit: 'HEAD', paths: ['src'] }, { reviewers: 1, revise: 'Mend it.' })]
"""
)
CONVERGED = (
    JS
    + """const schema = { type: 'object' }
return [await converge('Why?', { schema, angles: ['plain', 'bad angle', 'odd'], quorum: 2 }),
  await converge('text of each angle', { angles: ['a', 'b'], rounds: 2 })]
"""
)
REVIEW_WAITING = (
    PY.replace("workflow\n", "workflow, review\n") + "async def main(args):\n    return await review('wait')\n"
)

NOTIFIED = JS + "const said = await ask('Ship it?', { default: 'no', timeout: 1 })\nawait agent('x')\nreturn said\n"
RESUMED_REVIEW = (
    JS
    + """const work = await agent('write it')
const first = await review(work, { lenses: ['alpha', 'beta'], revise: 'Mend it.' })
const made = await sh('make')
const said = await ask('Ship it?', { options: ['yes', 'no'], timeout: 1, default: 'no' })
return [first.verdict, made.exitCode, said]
"""
)
CEILING = (
    JS
    + """const work = ['dear 1', 'plain', 'dear 2', 'bad'].map((prompt) => () => agent(prompt, { phase: 'Work' }))
return await parallel([...work, () => review('dear work', { quorum: 1 })])
"""
)
MONEY = RunLimits(usd=0.03, phases_usd={"Work": 9.0}, on_limit="ask", trip=5)
TRIPPED = JS + "return await parallel([1, 2, 3, 4, 5].map((i) => () => agent(`bad ${i}`)))\n"
LONG_PY = (
    PY.replace("import Meta,", "import Meta, ask, lock,")
    + """async def held(n):
    async def inside():
        await sleep(1)
        return await agent(f"held {n}")
    return await lock("door", inside)


async def main(args):
    phase("Find")
    asked = ask("Which?", options=["a", "b"], default="b", timeout=30)
    inner = workflow("inner", {"n": 1})
    return await parallel([asked, inner, *[held(n) for n in range(args)], *[agent(f"bad {n}") for n in range(args)]])
"""
)
LONG_JS = (
    JS
    + """phase('Find')
const held = (n) => lock('door', async () => {
  await sleep(1)
  return await agent(`held ${n}`)
})
const many = Array.from({ length: args }, (_, n) => n)
return await parallel([
  () => ask('Which?', { options: ['a', 'b'], default: 'b', timeout: 30 }), () => workflow('inner', { n: 1 }),
  ...many.map((n) => () => held(n)), ...many.map((n) => () => agent(`bad ${n}`)),
])
"""
)
NARROW, SHORT = RunLimits(concurrency=2), Histories(events=60)

SCENARIOS: dict[str, Scenario] = {
    "orchestration-python-v1": orchestration(
        EVERY_PRIMITIVE_PY, "golden.py", args={"n": 3}, has_args=True, limits=ALL, search_attributes=True
    ),
    "orchestration-javascript-v1": orchestration(
        EVERY_PRIMITIVE_JS, "golden.js", args={"n": 3}, has_args=True, limits=ALL
    ),
    "orchestration-agent-cap-v1": orchestration(MANY, "many.py", limits=RunLimits(agents=2)),
    "orchestration-budget-v1": orchestration(SPENDING, "spending.js", limits=RunLimits(output_tokens=5)),
    "orchestration-time-limit-python-v1": orchestration(ENDLESS_PY, "endless.py"),
    "orchestration-time-limit-javascript-v1": orchestration(ENDLESS_JS, "endless.js"),
    "orchestration-stopped-v1": orchestration(WAITING, "waiting.py", waits=True),
    "orchestration-steps-python-v1": orchestration(EVERY_STEP_PY, "steps.py", **PREPARED),
    "orchestration-steps-javascript-v1": orchestration(EVERY_STEP_JS, "steps.js", host="box", **PREPARED),
    "orchestration-resumed-v1": orchestration(RESUMED, "resumed.py", resume_from="wf_before", clock=1.7e9),
    "orchestration-gates-python-v1": orchestration(GATES_PY, "gates.py", search_attributes=True, **PREPARED),
    "orchestration-gates-javascript-v1": orchestration(GATES_JS, "gates.js", **PREPARED),
    # 1 author, 2 rounds of 3 reviewers and a revision between them, 2 reviewers, 2 votes: the thirteenth is refused.
    "orchestration-review-v1": replace(
        orchestration(REVIEWED, "reviewed.js", limits=RunLimits(agents=12, concurrency=3)),
        children={"adversarial-review-v1": "/review-1"},
    ),
    "orchestration-review-stopped-v1": replace(
        orchestration(REVIEW_WAITING, "waiting.py", waits=True), children={"adversarial-review-stopped-v1": "/review-1"}
    ),
    "orchestration-change-review-v1": replace(
        orchestration(CHANGE_REVIEWED, "changes.js", **PREPARED),
        children={"change-review-v1": "/review-1", "change-review-named-v1": "/review-2"},
    ),
    # Its agents are labelled with the name of their review, and the end says since when the commit is a change.
    "orchestration-change-review-v2": replace(
        orchestration(CHANGE_REVIEWED, "changes.js", **PREPARED),
        children={"change-review-v2": "/review-1", "change-review-named-v2": "/review-2"},
    ),
    "orchestration-notified-v1": replace(
        orchestration(NOTIFIED, "notified.js", notify=True), children={"notification-v1": "/notice-1"}
    ),
    "orchestration-resumed-review-v1": replace(
        orchestration(RESUMED_REVIEW, "resumed.js", resume_from="wf_reviewed", clock=1.7e9, **PREPARED),
        children={"adversarial-review-resumed-v1": "/review-1"},
    ),
    "orchestration-converge-v1": replace(
        orchestration(CONVERGED, "converged.js"),
        children={"convergence-agreed-v1": "/converge-1", "convergence-disputed-v1": "/converge-2"},
    ),
    "orchestration-controlled-v1": Scenario(
        "Orchestration",
        RunInput(script=script(CONTROLLED, "controlled.js"), limits=RunLimits(concurrency=2), search_attributes=True),
        waits=True,
        controlled=True,
    ),
    "orchestration-ceiling-v1": replace(
        orchestration(CEILING, "ceiling.js", limits=MONEY, search_attributes=True),
        raised=True,
        children={"adversarial-review-shares-v1": "/review-1"},
    ),
    "orchestration-ceiling-fail-v1": orchestration(
        CEILING, "ceiling.js", limits=RunLimits(usd=0.03, on_limit="fail", limit_timeout_s=5.0)
    ),
    "orchestration-tripped-v1": orchestration(TRIPPED, "tripped.js", limits=RunLimits(concurrency=1, trip=2)),
    "orchestration-continued-javascript-v1": replace(
        orchestration(LONG_JS, "long.js", args=9, has_args=True, limits=NARROW, histories=SHORT), continued=True
    ),
    "orchestration-continued-python-v1": replace(
        orchestration(LONG_PY, "long.py", args=9, has_args=True, limits=NARROW, histories=SHORT), continued=True
    ),
    "survey-v1": survey(),
    "survey-stopped-v1": survey(waits=True),
}
