"""Gates as a Workflow holds them: what passes, what is kept, and what a run is worth whose check is red."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tenuto.workflows.contracts import GateCounts
from tenuto.workflows.gate_contracts import GateFileChange, LookAtGateFilesInput, LookAtGateFilesResult, TestCounts
from tenuto.workflows.setup_contracts import Policy
from tenuto.workflows.step_contracts import RunCommandInput, RunCommandResult, StepInput

from .conftest import Stage
from .played_steps import PlayedSteps, PlayStep, default

PY = 'from tenuto import Meta, agent, gate, until_green, write\nmeta = Meta(name="t", description="d")\n'
MAIN = PY + "async def main(args):\n    "
JS = "export const meta = { name: 't', description: 'd' }\n"
SETUP: dict[str, Any] = {"policy": Policy(), "workspace": "/nowhere"}


def look(**more: Any) -> LookAtGateFilesResult:
    return LookAtGateFilesResult(**{"tree": "t1", "definition": "d", "files": 1, **more})


def playing(codes: Sequence[int], looks: Sequence[LookAtGateFilesResult] = ()) -> PlayedSteps:
    """Commands end with these codes, the last for all that follow; looks likewise."""
    ends, seen = list(codes), list(looks)

    async def play(input: StepInput) -> Any:
        if isinstance(input, RunCommandInput):
            code = ends.pop(0) if len(ends) > 1 else ends[0]
            return RunCommandResult(exit_code=code, stdout="in calc.py:3: error\n" if code else "ok\n")
        if isinstance(input, LookAtGateFilesInput) and seen:
            return seen.pop(0) if len(seen) > 1 else seen[0]
        return await default(input)

    return PlayedSteps(play)


async def test_a_green_gate_leaves_the_run_completed_and_counted(stage: Stage) -> None:
    steps = playing([0])
    async with stage.playing(steps=steps):
        report = await (await stage.start(MAIN + "return await gate('make')\n", **SETUP)).result()
    assert report.status == "completed"
    assert report.verification.gates == GateCounts(passed=1, failed=0)
    assert report.result["passed"] is True
    assert report.result["evidence"]["exit_code"] == 0
    assert [type(each).__name__ for each in steps.seen] == [
        "LookAtGateFilesInput",
        "RunCommandInput",
        "LookAtGateFilesInput",
    ]
    run = steps.seen[1]
    assert isinstance(run, RunCommandInput)
    assert run.repeat
    assert steps.prepared[0].gates is not None


async def test_a_red_gate_degrades_the_run_until_it_is_green(stage: Stage) -> None:
    async with stage.playing(steps=playing([1])):
        red = await (await stage.start(MAIN + "return (await gate('make'))['reason']\n", **SETUP)).result()
    async with stage.playing(steps=playing([2, 0])):
        both = (
            "first, second = await gate('make'), await gate('make')\n    return [first['passed'], second['passed']]\n"
        )
        mended = await (await stage.start(MAIN + both, **SETUP)).result()
    assert (red.status, red.result) == ("degraded", "exit code 1")
    assert red.verification.gates == GateCounts(passed=0, failed=1)
    assert (mended.status, mended.result) == ("completed", [False, True])
    assert [(each.id, each.name, each.passed, each.runs) for each in mended.gates] == [("g1", "make", True, 2)]


async def test_a_flake_is_no_pass_and_one_on_an_identical_tree_is_listed(stage: Stage) -> None:
    source = (
        JS + "const seen = await gate('make', { hold: 3, attempts: 2 }); return [seen.passed, seen.flaky, seen.reason]"
    )
    async with stage.playing(steps=playing([0, 0, 1, 0, 1])):
        report = await (await stage.start(source, "s.js", **SETUP)).result()
    assert report.result == [False, True, "exit code 1: it did not stay green 3 times"]
    assert report.gates[0].flaky
    assert report.gates[0].runs == 5
    assert report.status == "degraded"


async def test_tests_that_changed_their_mind_on_an_identical_tree_are_listed_by_name(stage: Stage) -> None:
    said = ["FAILED tests/test_a.py::test_clock - late\n", "", "FAILED tests/test_b.py::test_real - wrong\n"]
    outcomes = [RunCommandResult(exit_code=bool(text), stdout=text) for text in said]
    looks = iter([look(), look(), look(), look(tree="t2"), look(tree="t2"), look(tree="t2")])

    async def play(input: StepInput) -> Any:
        return next(looks) if isinstance(input, LookAtGateFilesInput) else outcomes.pop(0)

    source = MAIN + "await gate('make', attempts=2)\n    return (await gate('make'))['passed']\n"
    async with stage.playing(steps=PlayedSteps(play)):
        report = await (await stage.start(source, **SETUP)).result()
    assert (report.result, report.status) == (False, "degraded")
    assert report.gates[0].flaky_tests == ["tests/test_a.py::test_clock"]
    (flaky,) = report.verification.flaky
    assert (flaky.gate, flaky.tests) == ("make", ["tests/test_a.py::test_clock"])


async def test_a_change_of_mind_on_another_tree_is_no_flake(stage: Stage) -> None:
    looks = [look(), look(), look(tree="t2"), look(tree="t2")]
    source = MAIN + "await gate('make')\n    return (await gate('make'))['flaky']\n"
    async with stage.playing(steps=playing([1, 0], looks)):
        report = await (await stage.start(source, **SETUP)).result()
    assert (report.result, report.status) == (False, "completed")


async def test_exit_code_0_of_a_check_that_was_tampered_with_is_no_pass(stage: Stage) -> None:
    change = GateFileChange(path="check.sh", role="definition", how="changed")
    tampered = look(changes=[change], before=TestCounts(tests=3), now=TestCounts(tests=2))
    source = MAIN + "await agent('work')\n    return await gate('sh check.sh', attempts=3)\n"
    steps = playing([0], [tampered])
    async with stage.playing(steps=steps):
        report = await (await stage.start(source, **SETUP)).result()
    assert report.status == "degraded"
    assert report.result["passed"] is False
    assert "check.sh" in report.result["reason"]
    assert "fewer tests than at the start: 2, there were 3" in report.result["reason"]
    assert report.result["evidence"]["changes"][0]["path"] == "check.sh"
    assert sum(isinstance(each, RunCommandInput) for each in steps.seen) == 1, "another attempt would not help"


async def test_the_start_is_fixed_anew_only_while_no_agent_has_worked(stage: Stage) -> None:
    steps = playing([0])
    source = (
        MAIN + "await gate('a')\n    await agent('x')\n    await write('check.sh', 'exit 1')\n    await gate('a')\n"
    )
    async with stage.playing(steps=steps):
        await (await stage.start(source, **SETUP)).result()
    looks = [each for each in steps.seen if isinstance(each, LookAtGateFilesInput)]
    assert [each.fix for each in looks] == [True, True, False, False]
    assert list(looks[-1].written) == ["check.sh"]


async def test_until_green_mends_what_failed_and_tells_how_it_ended(stage: Stage) -> None:
    source = MAIN + (
        "done = await until_green('make', lambda failure: agent(f\"mend {failure['file']}\"))\n"
        "    return [done['passed'], done['rounds'], done['reason']]\n"
    )
    async with stage.playing(steps=playing([1, 0])):
        report = await (await stage.start(source, **SETUP)).result()
    assert report.result == [True, 1, "green"]
    assert [each.prompt for each in stage.asked] == ["mend calc.py"]
    stage.asked.clear()
    async with stage.playing(steps=playing([1])):
        stuck = await (await stage.start(source, **SETUP)).result()
    assert stuck.result == [False, 2, "no_progress"]
    assert stuck.status == "degraded"
    assert len(stage.asked) == 2


async def test_a_gate_that_cannot_be_run_throws_and_counts_as_not_passed(stage: Stage) -> None:
    source = MAIN + "try:\n        await gate('x')\n    except RuntimeError as error:\n        return str(error)\n"
    report = None
    async with stage.playing(steps=playing([0])):
        report = await (await stage.start(source)).result()
    assert report.result.startswith("no_workspace: ")
    assert report.status == "degraded"


async def test_a_test_runner_that_was_ended_from_inside_is_no_pass(stage: Stage) -> None:
    tests = TestCounts(tests=2)
    steps = PlayedSteps(silent_or_not([RunCommandResult(exit_code=0)], look(before=tests, now=tests)))
    async with stage.playing(steps=steps):
        report = await (await stage.start(MAIN + "return await gate('pytest -q')\n", **SETUP)).result()
    assert report.status == "degraded"
    assert report.result["reason"] == "pytest ended with 0 and reported no result: no output"
    assert report.result["evidence"]["objections"] == [report.result["reason"]]
    assert report.result["evidence"]["exit_code"] == 0
    told = [RunCommandResult(exit_code=0), RunCommandResult(exit_code=0, stdout="2 passed in 0.1s\n")]
    source = MAIN + "return (await until_green('pytest -q', lambda failure: agent(failure['text'])))['passed']\n"
    async with stage.playing(steps=PlayedSteps(silent_or_not(told, look(before=tests, now=tests)))):
        mended = await (await stage.start(source, **SETUP)).result()
    assert (mended.result, mended.status) == (True, "completed")
    assert [each.prompt for each in stage.asked] == ["pytest ended with 0 and reported no result: no output"]


def silent_or_not(runs: Sequence[RunCommandResult], seen: LookAtGateFilesResult) -> PlayStep:
    """Commands end like this, the last for all that follow; every look finds the same."""
    ends = list(runs)

    async def play(input: StepInput) -> Any:
        if isinstance(input, RunCommandInput):
            return ends.pop(0) if len(ends) > 1 else ends[0]
        return seen

    return play


@pytest.mark.parametrize(
    ("script", "source"),
    [
        ("s.py", MAIN + "await agent('work')\n    return await gate(lambda: True, allow_changes='docs/**')\n"),
        ("s.js", JS + "await agent('work'); return await gate(() => true, { allowChanges: 'docs/**' })"),
    ],
)
async def test_a_function_that_says_yes_is_held_against_the_start_too(stage: Stage, script: str, source: str) -> None:
    change = GateFileChange(path="tests/test_a.py", role="test", how="removed")
    steps = playing([0], [look(changes=[change], before=TestCounts(tests=3), now=TestCounts(tests=2))])
    async with stage.playing(steps=steps):
        report = await (await stage.start(source, script, **SETUP)).result()
    assert report.status == "degraded"
    assert report.result["passed"] is False
    assert report.result["reason"] == (
        "a file that defines the check was removed since the start: tests/test_a.py; "
        "fewer tests than at the start: 2, there were 3"
    )
    assert report.result["evidence"]["changes"][0]["path"] == "tests/test_a.py"
    assert report.result["evidence"]["runs"][0]["passed"] is True
    (seen,) = steps.seen
    assert isinstance(seen, LookAtGateFilesInput)
    assert (seen.command, seen.allow_changes, seen.fix) == (None, ["docs/**"], False)


async def test_a_function_that_says_no_needs_no_look(stage: Stage) -> None:
    steps = playing([0])
    async with stage.playing(steps=steps):
        report = await (await stage.start(MAIN + "return (await gate(lambda: False))['reason']\n", **SETUP)).result()
    assert (report.result, report.status) == ("it said False", "degraded")
    assert steps.seen == []


async def test_texts_of_the_arguments_may_be_commands_and_are_told_at_the_start(stage: Stage) -> None:
    steps = playing([0])
    async with stage.playing(steps=steps):
        args = {"check": ["sh check.sh"], "n": 1}
        source = MAIN + "return (await gate(args['check'][0]))['passed']\n"
        report = await (await stage.start(source, args=args, has_args=True, **SETUP)).result()
    assert report.result is True
    assert steps.prepared[0].gate_texts == ["sh check.sh"]
