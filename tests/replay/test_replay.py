"""Runs recorded by earlier versions replay to the very same requests and the very same end."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.workflow import NondeterminismError

from tenuto.activities.store import Store
from tenuto.worker.plugin import WORKFLOWS
from tenuto.workflows import strikes
from tenuto.workflows.contracts import WriteReportInput
from tenuto.workflows.script import dialects
from tenuto.workflows.script.protocol import LoadedScript, Session

from .later_scenarios import ALL
from .replaying import history_of, recorded_inputs, replay

FILES = sorted((Path(__file__).parents[1] / "data" / "histories").glob("*.json"))
CHILDREN = sorted((Path(__file__).parents[1] / "data" / "histories" / "children").glob("*.json"))
CONTINUED = sorted((Path(__file__).parents[1] / "data" / "histories" / "continued").glob("*.json"))
TIME_LIMITS = [path for path in FILES if "time-limit" in path.name]


RECORDED = (
    *("result", "log", "prompt", "label", "phase", "output_schema", "effort", "name", "model", "setup", "agent_type"),
    *("tools", "context", "isolation", "step", "command", "cwd", "env", "timeout_s", "path", "text", "pattern", "glob"),
    *("server", "tool", "input", "branch", "title", "body", "draft", "workspace", "policy"),
)
"""Fields of inputs that have to come again as they are recorded."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"file://{tmp_path}/store")


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def named(name: str) -> dict[str, Any]:
    return read(next(path for path in FILES if path.stem == name))


def started(data: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = data["events"][0]["workflowExecutionStartedEventAttributes"]
    return attributes


def rewrite(payload: dict[str, str], change: Callable[[Any], None]) -> None:
    value = json.loads(base64.b64decode(payload["data"]))
    change(value)
    payload["data"] = base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_a_recorded_run_asks_for_the_same_and_ends_the_same(path: Path, store: Store) -> None:
    history = history_of(read(path))
    heard = await replay(history, store)
    recorded = recorded_inputs(history)
    asked = [(name, sent(input)) for name, input in heard.asked]
    assert [name for name, _ in asked] == [name for name, _ in recorded]
    # What is recorded must come again; a later version may add fields.
    for (name, now), (_, then) in zip(asked, recorded, strict=True):
        for key in RECORDED:
            assert now.get(key) == then.get(key), (name, key)
    then = next(input for name, input in reversed(recorded) if name == "write_report")["report"]
    now = heard.report.model_dump(mode="json")
    for key in ("status", "error", "census", "failures", "usage", "partial", "started_at"):
        assert _holds(now[key], then.get(key)), key
    assert len(heard.ends) == 1


def sent(input: Any) -> dict[str, Any]:
    """An Activity's input as it goes over the wire; nothing for one that takes none."""
    return {} if input is None else dict(json.loads(input.model_dump_json(exclude_unset=True)))


def _holds(now: Any, then: Any) -> bool:
    """Whether all that was recorded is there again."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(_holds(now.get(key), value) for key, value in then.items())
    if isinstance(then, list):
        return isinstance(now, list) and len(now) == len(then) and all(map(_holds, now, then))
    return bool(now == then)


def test_every_workflow_type_has_a_golden_history() -> None:
    recorded = {started(read(path))["workflowType"]["name"] for path in [*FILES, *CHILDREN]}
    assert {workflow.__name__ for workflow in WORKFLOWS} <= recorded


def test_every_scenario_is_recorded() -> None:
    assert set(ALL) <= {path.stem.partition(".")[0] for path in [*FILES, *CONTINUED]}


@pytest.mark.parametrize("path", CONTINUED, ids=lambda path: path.stem)
async def test_a_recorded_run_goes_on_in_a_new_history_at_the_same_place(path: Path, store: Store) -> None:
    history = history_of(read(path))
    heard = await replay(history, store)
    asked = [(name, sent(input)) for name, input in heard.asked]
    assert [name for name, _ in asked] == [name for name, _ in recorded_inputs(history)]
    (end,) = heard.ends
    assert end.endswith("ContinueAsNewError")


@pytest.mark.parametrize("path", CHILDREN, ids=lambda path: path.stem)
async def test_a_recorded_child_asks_for_the_same_and_ends_the_same(path: Path, store: Store) -> None:
    data = read(path)
    heard = await replay(history_of(data), store)
    asked = [(name, sent(input)) for name, input in heard.asked]
    assert asked == recorded_inputs(history_of(data))
    last = data["events"][-1]
    if "workflowExecutionCompletedEventAttributes" in last:
        (payload,) = last["workflowExecutionCompletedEventAttributes"]["result"]["payloads"]
        then = json.loads(base64.b64decode(payload["data"]))
        (end,) = heard.ends
        assert json.loads(end.model_dump_json(exclude_unset=True)) == then
    else:
        assert heard.ends == ["CancelledError"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_history_needs_no_store_and_names_no_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "ExternalStorageReference" not in base64_free(json.loads(text))
    assert "stackTrace" not in text


def base64_free(value: Any) -> str:
    """All text of a history, payloads decoded."""
    if isinstance(value, dict):
        parts = [
            base64.b64decode(item).decode("utf-8", "replace") if key in ("data", "messageType") else base64_free(item)
            for key, item in value.items()
        ]
        return " ".join(parts)
    if isinstance(value, list):
        return " ".join(map(base64_free, value))
    return str(value)


async def test_a_script_that_waits_once_more_is_found_out(store: Store) -> None:
    data = named("orchestration-python-v1")

    def add_a_timer(input: dict[str, Any]) -> None:
        source = input["script"]["source"]
        input["script"]["source"] = source.replace('log("begins")', 'await sleep(1)\n    log("begins")')
        assert input["script"]["source"] != source

    rewrite(started(data)["input"]["payloads"][0], add_a_timer)
    with pytest.raises(NondeterminismError):
        await replay(history_of(data), store)


async def test_an_activity_under_another_name_is_found_out(store: Store) -> None:
    text = json.dumps(named("survey-v1")).replace('"run_agent"', '"run_subagent"')
    with pytest.raises(NondeterminismError):
        await replay(history_of(json.loads(text)), store)


async def test_another_answer_is_heard_in_the_outcome(store: Store) -> None:
    data = named("orchestration-javascript-v1")
    done = next(e for e in data["events"] if "activityTaskCompletedEventAttributes" in e)
    payload = done["activityTaskCompletedEventAttributes"]["result"]["payloads"][0]
    rewrite(payload, lambda result: result["value"].update(n=8))
    heard = await replay(history_of(data), store)
    kept = next(input for _, input in heard.asked if isinstance(input, WriteReportInput))
    assert kept.result["typed"] == {"n": 8}


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each step that was run after the first."""
    entered: list[str] = []
    open_session = dialects.open_session

    def counting(script: LoadedScript, **given: Any) -> Session:
        session = open_session(script, **given)
        resume = session.resume

        def counted(*given: Any) -> Any:
            entered.append(script.name)
            return resume(*given)

        monkeypatch.setattr(session, "resume", counted)
        return session

    monkeypatch.setattr(dialects, "open_session", counting)
    strikes.forget()
    return entered


async def test_other_steps_are_run_again(store: Store, resumed: list[str]) -> None:
    await replay(history_of(named("orchestration-agent-cap-v1")), store)
    assert len(resumed) == 3  # two agents, and the refusal of the third


@pytest.mark.parametrize("path", TIME_LIMITS, ids=lambda path: path.stem)
async def test_a_recorded_time_limit_decides_without_running_the_step(
    path: Path, store: Store, resumed: list[str]
) -> None:
    heard = await replay(history_of(read(path)), store)
    assert heard.report.error is not None
    assert heard.report.error.kind == "time_limit"
    assert resumed == []
