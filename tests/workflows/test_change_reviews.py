"""Reviews of commits as children of a run: what reviewers and authors are given, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from tenuto.workflows.change_contracts import ReadChangeInput, ReadChangeResult, material_mark
from tenuto.workflows.contracts import RunAgentInput, RunReport
from tenuto.workflows.setup_contracts import Policy
from tenuto.workflows.step_contracts import StepInput

from .conftest import Stage
from .played_steps import PlayedSteps

JS = "export const meta = { name: 'changes', description: 'd' }\n"
NAMED = (
    JS + "return await review({ commit: 'HEAD', paths: 'src' }, { lenses: ['alpha', 'beta'], revise: 'Mend it.' })\n"
)
PREPARED: dict[str, Any] = {"policy": Policy(allow=["Bash"]), "workspace": "/nowhere"}


def says(verdict: str, *objections: str) -> dict[str, Any]:
    return {"verdict": verdict, "objections": list(objections), "evidence": ["seen"]}


async def judged(input: RunAgentInput) -> Any:
    """Reviewers accept a change that says `+good`."""
    if "independent reviewer" not in input.prompt:
        return "I mended it"
    return says("pass") if "+good" in input.prompt else says("fail", "it is bad")


class Commits:
    """Plays `read_change`: each reading shows the next of these texts."""

    def __init__(self, *texts: str, **given: Any) -> None:
        self.read: list[ReadChangeInput] = []
        self._texts = texts
        self._given = given

    async def __call__(self, input: StepInput) -> Any:
        assert isinstance(input, ReadChangeInput)
        self.read.append(input)
        text = self._texts[len(self.read) - 1]
        commit = f"{len(self.read):040x}"
        return ReadChangeResult(commit=commit, base="b" * 40, files=1, text=text, sha256="0" * 64, **self._given)


async def result_of(stage: Stage, source: str, steps: PlayedSteps) -> tuple[Any, RunReport]:
    async with stage.playing(judged, steps):
        handle = await stage.start(source, "changes.js", **PREPARED)
        report = await asyncio.wait_for(handle.result(), 50)
    return report.result, report


async def test_reviewers_get_the_diff_and_a_checkout_of_the_commit(stage: Stage) -> None:
    commits = Commits("+good\n")
    got, report = await result_of(stage, NAMED, PlayedSteps(commits))
    assert (got["verdict"], got["commit"], got["final"]) == (
        "confirmed",
        f"{1:040x}",
        {"commit": "HEAD", "paths": "src"},
    )
    (read,) = commits.read
    assert (read.commit, read.paths, read.base, read.step) == ("HEAD", ["src"], None, "review-1.1")
    assert [(i.isolation, i.base, i.tools) for i in stage.asked] == [
        ("worktree", f"{1:040x}", ["Read", "Glob", "Grep"])
    ] * 2
    assert report.census.done == 2
    (view,) = report.reviews
    assert (view.work, view.author) == ('{"commit": "HEAD", "paths": "src"}', None)
    assert (view.commit, view.base, view.paths) == (f"{1:040x}", "b" * 40, ["src"])
    assert sorted(i.label for i in stage.asked) == ["review-1 1.1: alpha (HEAD)", "review-1 1.2: beta (HEAD)"]


async def test_a_revision_that_changes_nothing_ends_the_review_with_its_verdict(stage: Stage) -> None:
    commits = Commits("+bad\n")
    got, _ = await result_of(stage, NAMED, PlayedSteps(commits))
    assert (got["verdict"], got["rounds"], got["objections"]) == ("refuted", 1, ["it is bad"])
    (reviser,) = [input for input in stage.asked if "independent reviewer" not in input.prompt]
    assert (reviser.isolation, reviser.base, reviser.tools) == ("worktree", f"{1:040x}", None)
    assert "+bad" in reviser.prompt and "Mend it." in reviser.prompt
    assert len(commits.read) == 1


async def test_of_a_large_diff_the_history_has_only_the_key(stage: Stage) -> None:
    async def large(input: StepInput) -> Any:
        return ReadChangeResult(commit="c" * 40, base="b" * 40, files=1, key="runs/x/changes/1.diff", sha256="1" * 64)

    await result_of(stage, NAMED, PlayedSteps(large))
    assert {input.material for input in stage.asked} == {"runs/x/changes/1.diff"}
    assert all(material_mark("1" * 64) in input.prompt for input in stage.asked)


async def test_files_that_no_reviewer_was_shown_are_named_to_them_and_in_the_log(stage: Stage) -> None:
    commits = Commits("+good\n", left_out=["lock.json: its diff has 9 characters"])
    async with stage.playing(judged, PlayedSteps(commits)):
        handle = await stage.start(NAMED, "changes.js", **PREPARED)
        await asyncio.wait_for(handle.result(), 50)
        logs = [await stage.store.get(key) for key in await stage.store.keys(f"runs/{handle.id}/log")]
    assert all("- lock.json: its diff has 9" in input.prompt for input in stage.asked)
    assert "no reviewer was shown lock.json" in b"".join(logs).decode()


async def test_a_commit_that_cannot_be_read_throws_with_its_kind_and_asks_nobody(stage: Stage) -> None:
    async def gone(input: StepInput) -> Any:
        raise ApplicationError("there is no such commit", type="not_found", non_retryable=True)

    source = NAMED.replace("return await", "try { return await").rstrip() + " } catch (e) { return e.kind }\n"
    got, report = await result_of(stage, source, PlayedSteps(gone))
    assert (got, report.census.agents, stage.asked) == ("not_found", 0, [])


async def test_a_run_without_a_workspace_says_so(stage: Stage) -> None:
    async with stage.playing(judged):
        handle = await stage.start(NAMED, "changes.js")
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 50)
        report = await stage.report(handle)
    assert report.error is not None and report.error.message.startswith("review() of a commit needs a workspace")


@pytest.mark.parametrize("work", ["{ commit: 7 }", "{ commit: '' }", "{ commit: 'HEAD', paths: [1] }"])
async def test_a_change_that_cannot_be_named_so_is_refused(stage: Stage, work: str) -> None:
    source = JS + f"try {{ await review({work}) }} catch (error) {{ return error.kind }}\n"
    got, report = await result_of(stage, source, PlayedSteps())
    assert (got, report.census.agents) == ("bad_arguments", 0)


async def test_a_value_that_has_more_than_a_commit_is_reviewed_as_it_is(stage: Stage) -> None:
    steps = PlayedSteps()
    await result_of(stage, JS + "return await review({ commit: 'HEAD', note: '+good' })\n", steps)
    assert not [seen for seen in steps.seen if isinstance(seen, ReadChangeInput)]
    assert all(input.isolation is None for input in stage.asked)
