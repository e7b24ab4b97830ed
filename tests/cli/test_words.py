"""From words to values: arguments, ceilings, what is new in a log, how a result is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.cli.follow import new_lines, not_older
from tenuto.worker.cli.output import cache_share, ending_lines, figures, plain_result, print_result, report_json
from tenuto.worker.cli.run_command import RunOptions, limits_of
from tenuto.worker.cli.script_input import parse_args
from tenuto.worker.config import Settings, UsageError
from tenuto.workflows.contracts import Census, Failure, ReviewCounts, RunReport, Usage, Verification
from tenuto.workflows.details import question_words
from tenuto.workflows.gate_contracts import GateView
from tenuto.workflows.people_contracts import QuestionView
from tenuto.workflows.script.protocol import LoadedScript


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"n": 3}', {"n": 3}),
        (" [1, 2]", [1, 2]),
        ('"text"', "text"),
        ("3", 3),
        ("true", True),
        ("null", None),
        ("plain text", "plain text"),
        ("", ""),
        ("NaN", "NaN"),
        ("src/**/*.py", "src/**/*.py"),
        ("-1.5e3", -1500.0),
    ],
)
def test_args_are_json_where_they_can_be_and_text_otherwise(text: str, value: Any) -> None:
    assert parse_args(text) == (value, True)


def test_no_args_are_not_the_same_as_null() -> None:
    assert parse_args(None) == (None, False)


@pytest.mark.parametrize("text", ["{", "{'a': 1}", "[1,", '"open', "[NaN]", '"\\ud800"', "[" * 100_000])
def test_text_that_starts_like_json_must_be_json(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_args(text)
    assert "--args" in str(refused.value)
    assert len(str(refused.value)) < 400


def test_args_come_from_a_file_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "args.json"
    path.write_text('{"n": [1]}\n')
    assert parse_args(f"@{path}") == ({"n": [1]}, True)
    path.write_bytes(b"\xff\xfe")
    for bad in (path, tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match="--args @"):
            parse_args(f"@{bad}")


def limits(script: dict[str, float], concurrency: int | None = None, usd: float | None = None, **flags: Any) -> Any:
    loaded = LoadedScript("python", "", "n", "d", (), {}, limits=script)
    settings = Settings(home=Path("/h"), store="file:///s", concurrency=concurrency, max_usd=usd)
    made = limits_of(RunOptions("s", **flags), settings, loaded)
    return made.agents, made.concurrency, made.usd


def test_ceilings_are_the_sizes_unless_flags_or_the_script_say_otherwise() -> None:
    assert limits({}) == (1000, 16, None)
    assert limits({}, size="trial") == (5, 2, None)
    assert limits({}, size="small", max_agents=70) == (70, 4, None)
    assert limits({}, concurrency=3, usd=2.0, max_agents=2000) == (2000, 3, 2.0)


def test_flags_lower_what_the_script_asks_for_and_never_raise_it() -> None:
    asked: dict[str, float] = {"agents": 40, "concurrency": 8, "usd": 5}
    assert limits(asked) == (40, 8, 5)
    assert limits(asked, size="full", max_agents=100, concurrency=9, usd=9.0) == (40, 8, 5)
    assert limits(asked, size="trial", usd=1.0) == (5, 2, 1.0)


@pytest.mark.parametrize(
    ("seen", "lines", "new"),
    [
        ([], ["a"], ["a"]),
        (["a"], ["a"], []),
        (["a"], ["a", "b"], ["b"]),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a"], ["x", "y"], ["x", "y"]),
    ],
)
def test_what_is_new_in_a_log_that_lost_its_beginning(seen: list[str], lines: list[str], new: list[str]) -> None:
    assert new_lines(seen, lines) == new


def test_a_result_is_printed_byte_for_byte_whatever_else_the_report_says() -> None:
    report = RunReport(run_id='"result": null', workflow='\n  "result": null', status="completed", result_ref="k")
    raw = b'{"deep": {"result": null}, "n": 1.50}'
    text = report_json(report, raw)
    assert b'"result": ' + raw in text
    assert json.loads(text)["result"] == json.loads(raw)
    assert json.loads(text)["workflow"] == report.workflow
    assert json.loads(report_json(report, None))["result_ref"] == "k"


def test_a_text_result_is_printed_verbatim_and_other_values_as_json(capfdbinary: Any) -> None:
    assert plain_result(b'"two\\nlines"') == b"two\nlines"
    assert plain_result(b'{"a":[1]}') == b'{"a":[1]}'
    print_result(b'{"a":[1]}')
    assert json.loads(capfdbinary.readouterr().out) == {"a": [1]}


def test_figures_say_how_much_of_the_input_came_from_the_prompt_cache() -> None:
    def line(**usage: Any) -> str:
        return figures(RunReport(run_id="wf_a", workflow="w", status="completed", usage=Usage(**usage)))

    cached = {"input_tokens": 50, "cache_creation_input_tokens": 50, "cache_read_input_tokens": 900}
    assert "1,000 tokens in (90% from the cache), 7 out" in line(**cached, output_tokens=7)
    assert "50 tokens in, 0 out" in line(input_tokens=50)
    assert cache_share(Usage()) == 0.0


def test_a_memo_that_lags_behind_takes_nothing_back() -> None:
    seen, lagging = (
        RunReport(run_id="r", workflow="w", status="running", census=Census(agents=9, done=done)) for done in (7, 2)
    )
    lagging.trouble = "no Worker"
    shown = not_older(seen, lagging)
    assert (shown.census.done, shown.trouble) == (7, "no Worker")
    assert not_older(lagging, seen) is seen
    assert not_older(None, lagging) is lagging


def test_a_degraded_run_says_why_though_every_agent_is_done() -> None:
    report = RunReport(run_id="r", workflow="w", status="degraded", census=Census(agents=1, done=1))
    report.gates = [
        GateView(id="g1", name="npm test", passed=False, reason="exit code 1"),
        GateView(id="g2", name="lint", passed=True),
    ]
    report.verification = Verification(reviews=ReviewCounts(unverified=2))
    assert ending_lines(report)[1:] == [
        "  gate npm test: not passed: exit code 1",
        "  reviews without enough live votes: 2",
    ]


def test_failures_that_are_not_shown_are_where_the_line_says() -> None:
    failures = [Failure(agent=f"a{n}", label="x", phase=None, kind="schema", message="no") for n in range(324)]
    report = RunReport(run_id="big", workflow="w", status="degraded", failures=failures)
    assert ending_lines(report)[-1] == "  … and 314 more failures: tenuto show big --json, `failures`"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"options": ["yes", "no"]}, "q1: Ship? [yes, no]"),
        ({"state": "answered", "answer": "no", "by": "ann"}, "q1: Ship? · answered by ann: no"),
        ({"state": "default", "answer": True}, "nobody answered in time, so its default was taken: True"),
        ({"state": "expired"}, "nobody answered in time, and it has no default"),
    ],
)
def test_what_became_of_a_question_is_on_its_line(given: dict[str, Any], said: str) -> None:
    assert said in question_words(QuestionView(id="q1", question="Ship?", asked_at="", **given))
