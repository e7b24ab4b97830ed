"""The golden histories have everything that a run can do: what is not in one may be changed by accident."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import tenuto
import tenuto.workflows
from tenuto.worker.plugin import WORKFLOWS

from .later_scenarios import ALL

FOLDER = Path(__file__).parents[1] / "data" / "histories"
NO_CALLS = {"Meta", "Phase"}
CAMEL = re.compile(r"_([a-z])")


def events() -> list[dict[str, Any]]:
    return [event for path in sorted(FOLDER.rglob("*.json")) for event in json.loads(path.read_text())["events"]]


def activities() -> set[str]:
    """Every Activity that a Workflow can ask for, by its interface."""
    found = set()
    for module in pkgutil.iter_modules(tenuto.workflows.__path__, "tenuto.workflows."):
        for value in vars(importlib.import_module(module.name)).values():
            definition = getattr(value, "__temporal_activity_definition", None)
            if definition is not None:
                found.add(definition.name)
    return found


def test_every_activity_is_asked_for_in_a_golden_history() -> None:
    recorded = {
        event["activityTaskScheduledEventAttributes"]["activityType"]["name"]
        for event in events()
        if "activityTaskScheduledEventAttributes" in event
    }
    assert len(activities()) > 15
    assert activities() - recorded == set()


def test_every_function_of_a_script_is_called_in_a_golden_history_in_both_dialects() -> None:
    sources: dict[str, str] = {"python": "", "javascript": ""}
    for scenario in ALL.values():
        sources[scenario.input.script.dialect] += scenario.input.script.source
    names = set(tenuto.__all__) - NO_CALLS
    assert len(names) > 25
    assert {name for name in names if not re.search(rf"\b{name}\b[(.]", sources["python"])} == set()
    camel = {CAMEL.sub(lambda found: found[1].upper(), name) for name in names}
    assert {name for name in camel if not re.search(rf"\b{name}\b[(.]", sources["javascript"])} == set()


def test_every_signal_and_update_is_in_a_golden_history() -> None:
    signals = {
        event["workflowExecutionSignaledEventAttributes"]["signalName"]
        for event in events()
        if "workflowExecutionSignaledEventAttributes" in event
    }
    updates = {
        event["workflowExecutionUpdateAcceptedEventAttributes"]["acceptedRequest"]["input"]["name"]
        for event in events()
        if "workflowExecutionUpdateAcceptedEventAttributes" in event
    }
    for workflow in WORKFLOWS:
        definition = getattr(workflow, "__temporal_workflow_definition")
        assert set(definition.signals) - signals - {None} == set(), workflow.__name__
        assert set(definition.updates) - updates - {None} == set(), workflow.__name__
