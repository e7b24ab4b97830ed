"""`sh`: in the sandbox, under the policy, and at most once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from temporalio.exceptions import ApplicationError

from tenuto.activities import until_kept
from tenuto.workflows.step_contracts import RunCommandInput

from .conftest import RUN, Stage, until


async def test_a_command_gives_exit_code_output_and_duration_and_its_record_is_kept(stage: Stage) -> None:
    (stage.root / "part").mkdir()
    result = await stage.run(
        RunCommandInput,
        command="echo out; echo err >&2; pwd; echo $WORD; exit 3",
        cwd="part",
        env={"WORD": "hé"},
    )
    assert (result.exit_code, result.stderr, result.log, result.ended_by) == (3, "err\n", None, None)
    assert result.stdout == f"out\n{stage.root}/part\nhé\n"
    assert 0 < result.duration_s < 30
    record = await stage.kept("record")
    assert record["exit_code"] == 3
    assert record["command"].startswith("echo out")


async def test_output_past_64_kib_is_a_tail_and_all_of_it_is_in_the_store(stage: Stage) -> None:
    result = await stage.run(RunCommandInput, command="seq 1 50000")
    assert len(result.stdout) <= 64 * 1024
    assert result.stdout.endswith("\n50000\n")
    assert result.log == f"runs/{RUN}/steps/s1/output.log"
    whole = (await stage.store.get(result.log)).decode().split()
    assert whole == [str(number) for number in range(1, 50001)]


async def test_a_command_past_its_timeout_is_ended_with_124(stage: Stage) -> None:
    result = await stage.run(RunCommandInput, command="echo begun; sleep 60", timeout_s=1)
    assert (result.exit_code, result.ended_by, result.stdout) == (124, "timeout", "begun\n")


async def test_what_the_policy_refuses_does_not_run_and_the_message_says_how_to_allow_it(stage: Stage) -> None:
    await stage.prepare(deny=("Bash(touch:*)",))
    message = await stage.fails(RunCommandInput, "refused", command="touch here")
    assert "Bash(touch:*)" in message
    assert list(stage.root.iterdir()) == []
    message = await stage.fails(RunCommandInput, "refused", command="git stash", step="s2")
    assert "--allow" in message


@pytest.mark.parametrize("cwd", ["..", "/", "nowhere"])
async def test_a_directory_outside_of_the_workspace_is_refused_with_nothing_run(stage: Stage, cwd: str) -> None:
    await stage.fails(RunCommandInput, "bad_arguments", command="true", cwd=cwd)


async def test_a_command_that_must_not_happen_twice_is_not_run_again_after_a_lost_worker(stage: Stage) -> None:
    command = "echo x >> log; sleep 60"
    await lose(stage, command)
    message = await stage.fails(RunCommandInput, "unknown_outcome", command=command, repeat=False, attempt=2)
    assert "was not run again" in message and "echo x >> log" in message
    assert (stage.root / "log").read_text() == "x\n"


async def test_a_command_whose_worker_was_lost_is_run_again(stage: Stage) -> None:
    await lose(stage, "echo x >> log; test -e again || sleep 60")
    (stage.root / "again").touch()
    command = "echo x >> log; test -e again || sleep 60"
    assert (await stage.run(RunCommandInput, command=command, attempt=2)).exit_code == 0
    assert (stage.root / "log").read_text() == "x\nx\n"


async def test_an_outcome_that_was_kept_is_given_again_and_nothing_runs(stage: Stage) -> None:
    first = await stage.run(RunCommandInput, command="echo x >> log; cat log")
    for attempt in (1, 2):  # 1 again: an operator reset the Activity
        assert await stage.run(RunCommandInput, command="echo x >> log; cat log", attempt=attempt) == first
    assert (stage.root / "log").read_text() == "x\n"


async def test_after_a_reset_of_the_workflow_a_step_is_a_new_one(stage: Stage) -> None:
    await stage.run(RunCommandInput, command="echo x >> log")
    await stage.run(RunCommandInput, command="echo x >> log", execution="second")
    assert (stage.root / "log").read_text() == "x\nx\n"


async def test_a_command_that_was_lost_in_the_queue_is_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.prepare()
    monkeypatch.setattr("tenuto.activities.sandbox.queue.cpus", lambda: 1)
    first = asyncio.create_task(stage.run(RunCommandInput, command="echo > begun; until [ -e go ]; do sleep .1; done"))
    await until((stage.root / "begun").exists)
    queued = asyncio.create_task(stage.run(RunCommandInput, command="echo x >> log", step="s2"))
    await asyncio.sleep(0.3)
    assert not queued.done()
    await cancel(queued)
    (stage.root / "go").touch()
    await first
    await stage.run(RunCommandInput, command="echo x >> log", step="s2", attempt=2)
    assert (stage.root / "log").read_text() == "x\n"


async def test_an_outcome_is_kept_however_often_the_store_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.prepare()
    monkeypatch.setattr(until_kept, "PAUSE_MAX_S", 0.01)
    put = stage.store.put
    failed: list[str] = []

    async def failing(key: str, data: bytes) -> None:
        if key.endswith("record.json") and len(failed) < 3:
            failed.append(key)
            raise GenericError("the disk is full")
        await put(key, data)

    monkeypatch.setattr(stage.store, "put", failing)
    assert (await stage.run(RunCommandInput, command="echo x >> log")).exit_code == 0
    assert len(failed) == 3
    assert (await stage.kept("record"))["result"]["exit_code"] == 0


async def test_a_store_that_fails_before_the_start_is_tried_again_with_nothing_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.prepare()

    async def failing(key: str, data: bytes) -> None:
        raise GenericError("the bucket is away")

    with monkeypatch.context() as patched:
        patched.setattr(stage.store, "put", failing)
        with pytest.raises(ApplicationError) as raised:
            await stage.run(RunCommandInput, command="echo x >> log")
    assert (raised.value.type, raised.value.non_retryable) == ("store", False)
    assert not (stage.root / "log").exists()
    await stage.run(RunCommandInput, command="echo x >> log", attempt=2)
    assert (stage.root / "log").read_text() == "x\n"


async def test_a_cancelled_command_leaves_no_process_behind(stage: Stage) -> None:
    await stage.prepare()
    command = "setsid sh -c 'sleep 59.25 & sleep 59.25' & echo > begun; sleep 59.25"
    running = asyncio.create_task(stage.run(RunCommandInput, command=command))
    await until((stage.root / "begun").exists)
    await until(lambda: len(sleepers("59.25")) >= 3)
    await cancel(running)
    await until(lambda: not sleepers("59.25"), 10)


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"command": "echo " + "x" * 3_000_000}, "too_large", "3,000,005 bytes"),
        ({"command": "true", "env": {"BIG": "x" * 3_000_000}}, "too_large", "BIG"),
        ({"command": "true", "env": {f"V{i}": "x" * 100_000 for i in range(20)}}, "too_large", "env has"),
        ({"command": "true", "env": {"A=B": "x"}}, "bad_arguments", "A=B"),
        ({"command": "true", "env": {"": "x"}}, "bad_arguments", "cannot be a variable"),
        ({"command": "true", "env": {"A": "a\0b"}}, "bad_arguments", "cannot be a variable"),
        ({"command": "true\0"}, "bad_arguments", "NUL"),
    ],
)
async def test_what_no_program_can_be_given_is_one_clear_error(
    stage: Stage, given: dict[str, object], kind: str, says: str
) -> None:
    message = await stage.fails(RunCommandInput, kind, **given)
    assert message.startswith("sh(") and says in message
    assert len(message) < 800


async def test_large_but_possible_commands_and_environments_work(stage: Stage) -> None:
    env = {f"V{i}": "x" * 100_000 for i in range(5)}
    command = "echo ${#V0} ${#V4} # " + "y" * 110_000
    assert (await stage.run(RunCommandInput, command=command, env=env)).stdout == "100000 100000\n"


async def lose(stage: Stage, command: str) -> None:
    """Run a command until it is at work, and cut its attempt off as a Worker does that shuts down."""
    await stage.prepare()
    running = asyncio.create_task(stage.run(RunCommandInput, command=command))
    await until((stage.root / "log").exists)
    await cancel(running)


async def cancel(running: asyncio.Task[object]) -> None:
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def sleepers(seconds: str) -> list[int]:
    """Processes of this host that sleep for that long."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if line.read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(line.parent.name))
    return found
