"""The tool `Bash`: what the model is told of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from tenuto.activities.sandbox.command import Command, CommandOutcome, CommandRefused, SandboxUnavailable
from tenuto.activities.store import Store
from tenuto.activities.tools.bash import CHARACTERS_MAX, Bash
from tenuto.activities.tools.tool import Place, ToolCall, ToolError, ToolResult


class Played:
    """A runner whose commands end as they are told to."""

    def __init__(self, outcome: CommandOutcome | Exception) -> None:
        self.outcome = outcome
        self.commands: list[Command] = []

    async def run(self, command: Command, **_options: Any) -> CommandOutcome:
        self.commands.append(command)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def outcome(exit_code: int = 0, stdout: str = "", stderr: str = "", **more: Any) -> CommandOutcome:
    facts = {"stdout_bytes": len(stdout), "stderr_bytes": len(stderr), "duration_s": 0.1, **more}
    return CommandOutcome(exit_code=exit_code, stdout=stdout, stderr=stderr, **facts)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store((tmp_path / "store").as_uri())


async def use(store: Store, played: Played, **given: Any) -> ToolResult:
    async def note(what: dict[str, Any]) -> None:
        raise AssertionError(f"nothing is to be noted, but {what} was")

    place = Place(Path("/w"), cast(Any, None), cast(Any, played), store, "runs/r/agents/a", shared=True)
    return await Bash().run(ToolCall("toolu_1", "Bash", {"command": "make", **given}, "key"), place, note)


async def test_output_and_exit_code_go_to_the_model_and_the_record(store: Store) -> None:
    result = await use(store, Played(outcome(stdout="fine\n", stderr="a warning\n")))
    assert result == ToolResult("fine\na warning", command="make", exit_code=0)


async def test_a_failure_is_an_error_that_begins_with_its_exit_code(store: Store) -> None:
    result = await use(store, Played(outcome(2, "1 failed\n", "make: error\n")))
    assert result == ToolResult("Exit code 2\n1 failed\nmake: error", is_error=True, command="make", exit_code=2)


async def test_silence_is_said(store: Store) -> None:
    assert (await use(store, Played(outcome()))).content == "(the command printed nothing)"


@pytest.mark.parametrize(
    ("ended_by", "code", "words"),
    [("timeout", 124, "after its timeout of 1.5 s"), ("memory", 137, "more memory"), ("processes", 137, "processes"),
     ("output", 137, "printed more"), ("disk", 137, "disk"), ("cpu", 137, "CPU time")],
)  # fmt: skip
async def test_why_a_command_was_ended_is_said_in_a_sentence(
    store: Store, ended_by: str, code: int, words: str
) -> None:
    result = await use(store, Played(outcome(code, "some\n", ended_by=ended_by)), timeout=1500)
    assert result.is_error
    assert isinstance(result.content, str)
    assert words in result.content.splitlines()[0]
    assert f"exit code {code}" in result.content.splitlines()[0]
    assert result.content.endswith("some")


async def test_of_long_output_the_model_gets_the_end_and_the_store_all(store: Store, tmp_path: Path) -> None:
    (tmp_path / "spool.log").write_bytes(b"x" * 200_000 + b"end")
    long = outcome(1, "y" * 65_000 + "end", "why", stdout_bytes=200_000, log=tmp_path / "spool.log")
    result = await use(store, Played(long))
    assert isinstance(result.content, str)
    assert len(result.content) < CHARACTERS_MAX + 200
    assert result.content.startswith("Exit code 1\n[200003 bytes of output; this is the end of them]\ny")
    assert result.content.endswith("end\nwhy")
    assert result.log == "runs/r/agents/a/logs/toolu_1.txt"
    assert await store.get(result.log) == b"x" * 200_000 + b"end"
    assert not (tmp_path / "spool.log").exists()


async def test_output_that_the_tails_hold_but_a_result_does_not_is_kept_too(store: Store) -> None:
    result = await use(store, Played(outcome(stdout="z" * 40_000)))
    assert result.log is not None
    assert await store.get(result.log) == b"z" * 40_000
    assert len(result.content) < CHARACTERS_MAX + 200


async def test_the_timeout_is_in_milliseconds_and_two_minutes_by_default(store: Store) -> None:
    played = Played(outcome())
    await use(store, played)
    await use(store, played, timeout=600_000)
    assert [command.timeout_s for command in played.commands] == [120, 600]


@pytest.mark.parametrize(
    ("failure", "words"),
    [(CommandRefused("the directory x is not in the workspace"), "not in the workspace"),
     (SandboxUnavailable("no walls: --no-sandbox"), "--no-sandbox")],
)  # fmt: skip
async def test_a_command_that_was_not_run_is_a_plain_error(store: Store, failure: Exception, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        await use(store, Played(failure))


async def test_background_and_nothing_at_all_are_refused(store: Store) -> None:
    played = Played(outcome())
    with pytest.raises(ToolError, match="background"):
        await use(store, played, run_in_background=True)
    with pytest.raises(ToolError, match="empty"):
        await use(store, played, command=" ")
    assert played.commands == []


def test_the_schema_takes_what_agents_send() -> None:
    schema = Bash().definition["input_schema"]
    Draft202012Validator.check_schema(schema)
    fits = Draft202012Validator(schema).is_valid
    assert fits({"command": "ls", "timeout": 5000, "description": "List files", "run_in_background": False})
    assert not fits({"command": "ls", "timeout": 600_001})
    assert not fits({"description": "nothing"})
    assert Bash().definition == Bash().definition
