"""A run that resumes another one makes its steps again only where they do not hold any more."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tenuto.workflows.step_contracts import CallMcpInput, RunCommandInput, RunCommandResult, WriteFileInput

from .conftest import Stage

ENTRY = "abc-0"
NEW: dict[str, Any] = {"run_id": "wf_new", "entry": ENTRY, "resumed": "wf_test", "execution": "second"}


async def command(stage: Stage, text: str, **given: Any) -> RunCommandResult:
    result: RunCommandResult = await stage.run(RunCommandInput, command=text, **{"entry": ENTRY, **given})
    return result


async def test_a_command_is_taken_over_while_the_workspace_stands_as_it_left_it(stage: Stage) -> None:
    (stage.root / "a.txt").write_text("a")
    first = await command(stage, "date +%N > made.txt; cat made.txt")
    again = await command(stage, "date +%N > made.txt; cat made.txt", **NEW)
    assert again == first
    third = await command(stage, "date +%N > made.txt; cat made.txt", **{**NEW, "run_id": "wf_3", "resumed": "wf_new"})
    assert third == first, "a run that was itself resumed can be resumed"


@pytest.mark.parametrize("change", ["edit", "add", "remove", "touch"])
async def test_a_command_is_run_again_when_anything_in_the_workspace_is_another(stage: Stage, change: str) -> None:
    file = stage.root / "a.txt"
    file.write_text("a")
    first = await command(stage, "date +%N")
    if change == "edit":
        file.write_text("b")
    elif change == "add":
        (stage.root / "new.txt").touch()
    elif change == "remove":
        file.unlink()
    else:
        os.utime(file, (1, 1))
    assert await command(stage, "date +%N", **NEW) != first


async def test_a_command_without_an_entry_is_run_again(stage: Stage) -> None:
    first = await command(stage, "date +%N", entry=None)
    assert await command(stage, "date +%N", **NEW) != first


async def test_a_command_that_a_rule_of_the_new_run_refuses_is_refused_all_the_same(stage: Stage) -> None:
    await command(stage, "echo x")
    await stage.prepare(deny=("Bash(echo:*)",))
    await stage.fails(RunCommandInput, "refused", command="echo x", **NEW)


async def test_the_log_of_a_command_comes_along(stage: Stage) -> None:
    first = await command(stage, "seq 1 40000")
    again = await command(stage, "seq 1 40000", **NEW)
    assert first.log is not None and again.log is not None and again.log.startswith("runs/wf_new/")
    assert await stage.store.get(again.log) == await stage.store.get(first.log)


async def test_a_call_of_a_server_is_not_made_twice_and_a_failed_one_is(stage: Stage) -> None:
    await stage.prepare("mcp__tracker")
    call: dict[str, Any] = {"server": "tracker", "tool": "create", "input": {"title": "x"}}
    stage.servers.answer = {"id": 7}
    await stage.run(CallMcpInput, **call, entry=ENTRY)
    again = await stage.run(CallMcpInput, **call, **NEW)
    assert (again.value, len(stage.servers.calls)) == ({"id": 7}, 1)
    await stage.run(CallMcpInput, **call, **{**NEW, "entry": "other-0", "step": "s2"})
    assert len(stage.servers.calls) == 2


@pytest.mark.parametrize(
    ("before", "since", "then"),
    [
        (None, "written", "written"),
        (None, "edited by an agent", "edited by an agent"),
        (None, None, "written"),
        ("before", "before", "written"),
        ("before", "edited by an agent", "edited by an agent"),
    ],
)
async def test_what_was_made_of_a_written_file_since_is_not_written_over(
    stage: Stage, before: str | None, since: str | None, then: str
) -> None:
    file = stage.root / "plan.md"
    if before is not None:
        file.write_text(before)
    await stage.run(WriteFileInput, path="plan.md", text="written", entry=ENTRY)
    assert file.read_text() == "written"
    if since is None:
        file.unlink()
    else:
        file.write_text(since)
    await stage.run(WriteFileInput, path="plan.md", text="written", **NEW)
    assert file.read_text() == then
