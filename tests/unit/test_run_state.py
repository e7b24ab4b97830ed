"""The books of a run: every agent in exactly one state, every missing value a failure."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tenuto.workflows.contracts import RunReport, Usage
from tenuto.workflows.details import fits, markdown, snapshot
from tenuto.workflows.run_state import LOG_LINES_KEPT, Agent, RunLedger, label_of


def an_agent(ledger: RunLedger, phase: str | None = None) -> Agent:
    agent = Agent(id=ledger.next_id(), label="x", phase=phase, model="claude-sonnet-5-5")
    ledger.queue(agent)
    return agent


@given(st.lists(st.sampled_from(["queued", "running", "done", "failed", "skipped", "withdrawn"]), max_size=80))
def test_the_census_is_disjoint_and_complete(fates: list[str]) -> None:
    ledger = RunLedger([])
    for fate in fates:
        agent = an_agent(ledger, phase="P")
        if fate == "withdrawn":
            ledger.withdraw(agent)
        elif fate != "queued":
            ledger.start(agent, 1.0)
            if fate != "running":
                ledger.end(agent, fate, 2.0, Usage(output_tokens=3))  # type: ignore[arg-type]
    census = ledger.census
    kept = [fate for fate in fates if fate != "withdrawn"]
    assert census.agents == len(kept)
    assert census.agents == (
        census.done + census.cached + census.failed + census.skipped + census.running + census.queued
    )
    for state in ("queued", "running", "done", "failed", "skipped"):
        assert getattr(census, state) == kept.count(state)
    ended = sum(fate in ("done", "failed", "skipped") for fate in kept)
    assert ledger.usage.output_tokens == 3 * ended
    if fates:
        assert ledger.phase("P").agents == len(kept)
        assert ledger.phase("P").done == kept.count("done")


def test_partial_names_what_finished_and_nothing_else() -> None:
    ledger = RunLedger([])
    done, failed = an_agent(ledger), an_agent(ledger)
    for agent, state in ((done, "done"), (failed, "failed")):
        ledger.start(agent, 0.0)
        ledger.end(agent, state, 1.0)  # type: ignore[arg-type]
    assert ledger.partial("runs/r/agents/{agent}/record.json") == {"a1": "runs/r/agents/a1/record.json"}


def test_the_status_keeps_the_last_lines_and_the_store_gets_all() -> None:
    ledger = RunLedger([])
    for number in range(LOG_LINES_KEPT + 20):
        ledger.say(f"line {number}")
    assert len(ledger.log) == LOG_LINES_KEPT
    assert ledger.log[0] == "line 20"
    assert len(ledger.take_unsaved_log()) == LOG_LINES_KEPT + 20
    assert ledger.take_unsaved_log() == []


def test_a_label_is_one_short_line() -> None:
    assert label_of(None, "  do\n this ") == "do this"
    assert label_of("given", "prompt") == "given"
    assert len(label_of(None, "x" * 500)) == 80


def test_details_are_a_table_that_a_label_cannot_break() -> None:
    ledger = RunLedger(["Find"])
    ledger.fail("a1", "a | b", "Find", "refusal", "line\nbreak")
    text = markdown(ledger.fill(RunReport(run_id="r", workflow="w", status="running"), agents="all"))
    assert "| a \\| b | a1 | refusal | line break |" in text
    assert "| Find | 0 | 0 |" in text


def test_the_snapshot_stays_small_however_large_the_run_is() -> None:
    ledger = RunLedger([])
    for _ in range(2000):
        an_agent(ledger)
        ledger.fail("a1", "x", None, "refusal", "m" * 50)
    report = ledger.fill(RunReport(run_id="r", workflow="w", status="running", result="x" * 10_000), agents="all")
    assert len(str(snapshot(report))) < 5000


@given(
    st.recursive(
        st.none() | st.integers(0, 999) | st.text("ab", max_size=30),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("xy"), inner),
    )
)
def test_what_fits_is_small_as_json(value: object) -> None:
    size = len(json.dumps(value, separators=(",", ":")))
    assert fits(value, 4 * size + 16)
    if size > 400:
        assert not fits(value, size // 4)
