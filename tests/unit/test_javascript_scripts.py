"""Whole scripts in the manner of the public ones run as they are, the largest known size included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenuto.workflows.script import javascript
from tenuto.workflows.script.protocol import Call, Failed, Finished, Outcome, Step, StepContext, Waiting

SCRIPTS = Path(__file__).parent.parent / "data" / "public_workflows"


@pytest.fixture(scope="module", autouse=True)
def _interpreters() -> Iterator[None]:
    yield
    javascript.close_pool()


def shaped(schema: Any) -> Any:
    """The smallest value that satisfies a schema of the kind that scripts use."""
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {key: shaped(part) for key, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [shaped(schema["items"])] * schema.get("minItems", 1)
    return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind, "text")


def answer(call: Call) -> Outcome:
    if call.op == "agent":
        schema = call.args.get("schema")
        return Outcome(value=shaped(schema) if schema else f"text for {call.args['prompt']}")
    return Outcome(value=None if call.op == "sleep" else {"by": call.op, **call.args})


def drive(source: str, *, args: Any = None, slow: str = "\0") -> tuple[Step, list[Call]]:
    """Run a script; timers, then calls whose prompt contains `slow`, are answered only when nothing else is left."""
    session = javascript.open_session(javascript.load(source), args=args, has_args=args is not None, seed="s")
    made: dict[int, Call] = {}
    now, step = 0.0, session.start(StepContext(now=0.0))
    while isinstance(step, Waiting):
        made |= {event.id: event for event in step.events if isinstance(event, Call)}
        timers = [n for n in step.pending if made[n].op == "sleep"]
        late = [n for n in step.pending if slow in made[n].args.get("prompt", "")]
        due = [n for n in step.pending if n not in timers and n not in late] or timers[:1] or late
        now += 1.0
        step = session.resume({n: answer(made[n]) for n in due}, StepContext(now=now))
    session.close()
    return step, list(made.values())


@pytest.mark.parametrize("args", [None, '{"paths": ["x/é.ts"], "odd": 1}', {"paths": ["src/a.ts", "src/b.tsx"]}])
def test_an_audit_with_schemas_pipelines_and_regular_expressions_runs(args: Any) -> None:
    step, calls = drive((SCRIPTS / "audit.js").read_text(encoding="utf-8"), args=args)
    assert isinstance(step, Finished), step
    assert step.value["bySeverity"] == {"critical": step.value["kept"]}
    assert step.value["owns"] is True
    assert "refute:0" in [call.args["label"] for call in calls]
    assert calls[0].args["stall_ms"] == 120000


def test_an_audit_without_anything_to_do_stops_with_its_own_error() -> None:
    step, calls = drive((SCRIPTS / "audit.js").read_text(encoding="utf-8"), args={"paths": []})
    assert isinstance(step, Failed)
    assert step.message == "Error: audit: paths must be a list, got []"
    assert step.line == 54
    assert calls == []


def test_rivals_under_a_semaphore_with_time_limits_run_and_losers_are_left() -> None:
    step, calls = drive((SCRIPTS / "tournament.js").read_text(encoding="utf-8"), slow="attempt: slow")
    assert isinstance(step, Finished), step
    assert step.value == {
        "ranking": ["simple", "fast", "odd"],
        "follow": {"by": "workflow", "name": "publish", "args": {"winner": "simple"}},
        "late": 1,
        "at": "1970-01-01",
    }
    assert [call.op for call in calls].count("sleep") == 4


def test_a_script_of_263_kb_runs() -> None:
    stage = (
        "async function stage{n}(previous, item) {{\n"
        "  const got = await agent(`Stage {n} of ${{item}}: ${{previous?.note ?? 'start'}}`, {{ label: 's{n}',\n"
        "    schema: {{ type: 'object', required: ['note'], properties: {{ note: {{ type: 'string' }} }} }} }});\n"
        "  return {{ ...previous, note: `${{got?.note}} after {n}` }};\n}}\n"
    )
    count = 870
    source = (
        "export const meta = { name: 'generated', description: 'many stages' };\n"
        + "".join(stage.format(n=n) for n in range(count))
        + f"const stages = [{', '.join(f'stage{n}' for n in range(count))}];\n"
        + "return (await pipeline(['x'], ...stages.slice(-20)))[0];\n"
    )
    assert 263_000 < len(source) < 300_000
    step, calls = drive(source)
    assert step == Finished(events=(), value={"note": f"text after {count - 1}"})
    assert len(calls) == 20
