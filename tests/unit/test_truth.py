"""What a run's report says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.workflows import details, models, truth
from tenuto.workflows.contracts import (
    AgentView,
    Census,
    Failure,
    GateCounts,
    ReviewCounts,
    RunReport,
    Usage,
    Verification,
)
from tenuto.workflows.gate_contracts import GateView
from tenuto.workflows.review_views import ReviewView
from tenuto.workflows.run_state import Agent, RunLedger
from tenuto.workflows.share_contracts import ToolCounts

FAILED = Failure(agent="a1", label="x", phase=None, kind="schema", message="no")


def report(status: str = "completed", *, done: int = 1, **given: object) -> RunReport:
    census = Census(agents=done, done=done)
    return RunReport.model_validate({"run_id": "r", "workflow": "w", "status": status, "census": census, **given})


def gate(*, passed: bool) -> GateView:
    return GateView(id="g1", name="g", passed=passed, reason="" if passed else "red")


def reviewed(**verdicts: int) -> Verification:
    return Verification(gates=GateCounts(), reviews=ReviewCounts.model_validate(verdicts))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "completed"),
        ({"failures": [FAILED]}, "degraded"),
        ({"gates": [gate(passed=True)]}, "completed"),
        ({"gates": [gate(passed=True), gate(passed=False)]}, "degraded"),
        ({"verification": reviewed(confirmed=2, refuted=1, disputed=1)}, "completed"),
        ({"verification": reviewed(confirmed=2, unverified=1)}, "degraded"),
    ],
)
def test_a_run_is_completed_only_where_nothing_is_amiss(given: dict[str, Any], status: str) -> None:
    assert truth.ended_status(report(**given)) == status


def test_a_value_that_rests_on_no_agent_is_said_first() -> None:
    said = truth.notices(report(done=0, census=Census(agents=2, failed=2), failures=[FAILED, FAILED]), [], "")
    assert said[0].startswith("no agent of this run did its work")
    assert "without a value: 2 schema" in said
    refused = truth.notices(report(done=0, failures=[FAILED]), [], "")
    assert refused[0].startswith("no agent of this run did its work")


def test_a_run_that_nothing_verified_says_so_at_its_end() -> None:
    (said,) = truth.notices(report(), [], "")
    assert said.startswith("nothing was verified")
    assert truth.notices(report("running"), [], "") == []
    assert truth.notices(report(gates=[gate(passed=True)]), [], "") == []
    assert truth.notices(report(verification=reviewed(confirmed=1)), [], "") == []
    assert len(truth.notices(report(verification=reviewed(unverified=1)), [], "")) == 2


def test_a_review_against_what_it_was_given_is_told_whatever_the_script_made_of_it() -> None:
    views = [
        ReviewView(id=f"review-{n}", kind="review", work=f"work {n}", verdict=verdict)
        for n, verdict in enumerate(("confirmed", "refuted", "disputed"))
    ]
    told = report(verification=reviewed(confirmed=1, refuted=1, disputed=1), reviews=views)
    (said,) = truth.notices(told, [], "")
    assert said.startswith("1 review refuted what it was given, 1 disputed, without agreement: 'work 1', 'work 2'")
    assert truth.ended_status(told) == "completed"
    assert truth.reviews_in_words(told) == "1 confirmed, 1 refuted, 1 disputed"
    (said,) = truth.notices(report(verification=reviewed(disputed=2)), [], "")
    assert said.startswith("2 reviews disputed, without agreement; ")
    many = [ReviewView(id=f"r{n}", kind="review", work="w" * 300, verdict="refuted") for n in range(9)]
    (said,) = truth.notices(report(verification=reviewed(refuted=9), reviews=many), [], "")
    assert said.startswith("9 reviews refuted what they were given: 'ww") and "and 6 more" in said and len(said) < 500


def test_a_red_gate_is_a_reason_that_is_said() -> None:
    gates = [gate(passed=False), GateView(id="g2", name="pytest -q", passed=False), gate(passed=True)]
    assert truth.notices(report("degraded", gates=gates), [], "") == [
        "red at their last run: 2 gates ('g', 'pytest -q')"
    ]
    assert truth.notices(report("running", gates=gates), [], "") == []


def test_causes_are_counted_the_most_frequent_first() -> None:
    failures = [FAILED.model_copy(update={"kind": kind}) for kind in ("refusal", "schema", "schema")]
    assert truth.causes(report(failures=failures)) == "2 schema, 1 refusal"


def test_answers_that_broke_off_are_said_with_what_is_known() -> None:
    (_, said) = truth.notices(report(lost=Usage(input_tokens=1500, usd=0.003)), [], "")
    assert "1,500 tokens, $0.0030" in said


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("claude-sonnet-5-5", "claude-sonnet-5-5", True),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001", True),
        ("claude-haiku-4-5", "claude-haiku-4-5@20251001", True),
        ("claude-haiku-4-5", "us.anthropic.claude-haiku-4-5-20251001-v1:0", True),
        ("claude-opus-5-5", "claude-opus-5", False),
        ("claude-opus-5-5", "claude-sonnet-5-5", False),
    ],
)
def test_ids_of_one_model(one: str, other: str, same: bool) -> None:
    assert models.same(one, other) is same


def test_another_model_than_asked_for_is_kept_and_told_once() -> None:
    ledger = RunLedger([])
    agents = [Agent(id=f"a{n}", label="x", phase=None, model="claude-opus-5-5") for n in range(3)]
    for agent in agents:
        ledger.queue(agent)
    told = [ledger.served(agent, "claude-sonnet-5-5") for agent in agents]
    assert told == [True, False, False]
    views = [agent.view() for agent in agents]
    said = truth.notices(report(), views, "")[-1]
    assert said == "3 agents asked for claude-opus-5-5 and were served by claude-sonnet-5-5"
    assert (views[0].asked, views[0].model) == ("claude-opus-5-5", "claude-sonnet-5-5")


def test_usage_is_counted_by_agent_phase_and_model_through_shares_and_restarts() -> None:
    ledger = RunLedger(["P"])
    agent = Agent(id="a1", label="x", phase="P", model="m")
    ledger.queue(agent)
    ledger.start(agent, 1.0)
    ledger.pay(agent, Usage(input_tokens=5, usd=0.5))
    ledger.pause(agent)
    ledger.start(agent, 2.0)
    ledger.pay(agent, Usage(input_tokens=8, usd=0.75))
    ledger.requeue(agent)  # a person has it start over: its next conversation begins at nothing
    ledger.start(agent, 3.0)
    ledger.end(agent, "done", 4.0, Usage(input_tokens=2, usd=0.25))
    assert agent.usage == ledger.usage == ledger.phase("P").usage == Usage(input_tokens=10, usd=1.0)
    assert [(view.model, view.usage) for view in ledger.models()] == [("m", ledger.usage)]
    assert agent.view().ms == 1000


def test_an_end_that_does_not_know_what_was_used_leaves_what_is_known() -> None:
    ledger = RunLedger([])
    agent = Agent(id="a1", label="x", phase=None, model="m")
    ledger.queue(agent)
    ledger.start(agent, 1.0)
    ledger.pay(agent, Usage(input_tokens=5))
    ledger.end(agent, "failed", 2.0, Usage())
    assert ledger.usage.input_tokens == 5


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (ToolCounts(), ""),
        (ToolCounts(calls=3), "3"),
        (ToolCounts(calls=3, failed=1), "3 (1 failed)"),
        (ToolCounts(calls=9, failed=2, refused=1), "9 (2 failed, 1 refused)"),
    ],
)
def test_tool_calls_in_words(counts: ToolCounts, words: str) -> None:
    assert truth.tools_used(AgentView(id="a1", label="x", state="done", model="m", tools=counts)) == words


def test_the_page_in_the_temporal_ui_has_what_is_amiss_before_what_is_well() -> None:
    page = details.markdown(
        report(failures=[FAILED], notices=["without a value: 1 schema"], phases=[{"title": "Work", "agents": 2}])
    )
    assert page.index("without a value") < page.index("schema | no") < page.index("Work")
