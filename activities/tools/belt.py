"""The tools of one agent: which are offered, and how a turn's calls are run, in order and each once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from obstore.exceptions import BaseError as StorageError

from ..transcript import Message, ToolRecord, now
from .journal import Answered, ToolJournal
from .tool import Place, Tool, ToolCall, ToolError, ToolResult

log = logging.getLogger(__name__)

ONE_BY_ONE = frozenset({"Write", "Edit"})
"""These wait for the calls before them and are waited for: two edits of a file side by side would lose one."""
ERRORS_SHOWN_MAX = 5
LOST = (
    "The process that ran this call was lost before it ended, so whether the call took effect is unknown. Look at the "
    "state of things first; repeat the call only if it is still needed."
)


class Refusal(Protocol):
    """Why a call may not run."""

    @property
    def message(self) -> str:
        """For the model: what was refused, and what is allowed instead."""


class ToolRules(Protocol):
    """What an agent may do (`workflows/policy`)."""

    def decide(self, tool: str, input: dict[str, Any], *, workspace: str, shared: bool) -> Refusal | None:
        """Whether one call may run."""

    def offers(self, tool: str) -> bool:
        """Whether any call of a tool may run."""


class Offer:
    """The tools that an agent is shown, made once for all agents with the same rules.

    Args:
        tools: what this Worker has; those that the rules never allow are not shown to the model.
        server_tools: definitions of tools that the API itself runs.
    """

    def __init__(self, tools: Iterable[Tool], rules: ToolRules, server_tools: Sequence[dict[str, Any]] = ()) -> None:
        self.rules = rules
        self.tools = {tool.name: tool for tool in tools if rules.offers(tool.name)}
        self.definitions: list[dict[str, Any]] = [tool.definition for tool in self.tools.values()] + list(server_tools)
        """As the request carries them: the same bytes for every agent with the same tools."""
        self.validators: dict[str, Draft202012Validator] = {}
        """By the name of the tool, for those that were called."""


class Belt:
    """The tools of one attempt of one agent, in the place where it works."""

    def __init__(self, offer: Offer, place: Place, journal: ToolJournal) -> None:
        self._tools = offer.tools
        self._rules = offer.rules
        self._validators = offer.validators
        self.definitions = offer.definitions
        self._place = place
        self._journal = journal

    async def use(self, turn: int, answer: Message, earlier: Sequence[ToolRecord], *, resumed: bool) -> Message:
        """Run the calls of an answer and give the message with their results.

        Args:
            turn: number of the answer in the conversation.
            earlier: records of all calls before it: a call that is repeated because its outcome is unknown keeps its
                idempotency key.
            resumed: an earlier attempt may have begun with these calls.

        Raises:
            obstore.exceptions.BaseError: the store did not take or give an object.
        """
        uses = answer.tool_uses
        started, answered = await self._journal.found(turn) if resumed else ({}, {})
        keys = self._keys(uses, earlier)
        several = len(uses) > 1

        async def one(index: int) -> Answered:
            done = answered.get(index)
            if done is None:
                done = await self._one(turn, index, uses[index], keys[index], started.get(index))
                # A turn of one call is kept by its message at once; so are calls that may simply run again.
                if several and not self._harmless(uses[index]["name"]):
                    await self._journal.answered(turn, index, done)
            return done

        return _message(await in_turns([use["name"] for use in uses], one))

    async def _one(self, turn: int, index: int, use: dict[str, Any], key: str, lost: dict[str, Any] | None) -> Answered:
        name, given = use["name"], use["input"]
        tool = self._tools.get(name)
        if tool is None:
            names = ", ".join(self._tools) or "none"
            return _refused(use, f"There is no tool {name!r} here; the tools are: {names}.")
        if problem := self._misfit(tool, given):
            return _failed(use, problem)
        place = self._place
        if refusal := self._rules.decide(name, given, workspace=str(place.root), shared=place.shared):
            return _refused(use, refusal.message)
        if lost is not None and tool.after_loss == "unknown":
            return _failed(use, LOST, unknown=True)
        if tool.after_loss == "unknown":
            await self._journal.started(turn, index, {"key": key, "at": now()})

        async def note(what: dict[str, Any]) -> None:
            await self._journal.started(turn, index, what)

        place.say(_doing(name, given))
        began = time.monotonic()
        try:
            result = await tool.run(ToolCall(use["id"], name, given, key, lost), place, note)
        except ToolError as error:
            result = ToolResult(str(error), is_error=True)
        except StorageError:
            raise
        except Exception as error:
            # A defect of ours costs this call, not the agent; the model is told, and the Worker's log has the place.
            log.exception("tool %s failed", name)
            result = ToolResult(f"{name} failed inside: {type(error).__name__}: {error}", is_error=True)
        return _answered(use, result, round((time.monotonic() - began) * 1000))

    def _harmless(self, name: str) -> bool:
        tool = self._tools.get(name)
        return tool is None or (tool.after_loss == "again" and name not in ONE_BY_ONE)

    def _misfit(self, tool: Tool, given: Any) -> str | None:
        validator = self._validators.get(tool.name)
        if validator is None:
            validator = self._validators[tool.name] = Draft202012Validator(tool.definition["input_schema"])
        errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(given)]
        if not errors:
            return None
        return f"The input does not fit {tool.name}:\n" + "\n".join(errors[:ERRORS_SHOWN_MAX])

    def _keys(self, uses: Sequence[dict[str, Any]], earlier: Sequence[ToolRecord]) -> list[str]:
        """Idempotency keys: agent, tool, input, and how many like calls have certainly been made before."""
        made: dict[tuple[str, str], int] = {}
        for record in earlier:
            if not (record.unknown or record.refused):
                like = (record.name, record.input_sha256)
                made[like] = made.get(like, 0) + 1
        keys = []
        for use in uses:
            like = (use["name"], input_digest(use["input"]))
            ordinal = made.get(like, 0)
            made[like] = ordinal + 1
            text = f"{self._place.folder}\n{like[0]}\n{like[1]}\n{ordinal}"
            keys.append(hashlib.sha256(text.encode()).hexdigest()[:32])
        return keys


def without_tools(answer: Message) -> Message:
    """Results for the calls of an agent that has no tools at all."""
    return _message([_refused(use, "There are no tools here: answer from what you know.") for use in answer.tool_uses])


async def in_turns(names: Sequence[str], one: Callable[[int], Awaitable[Answered]]) -> list[Answered]:
    """Run calls side by side, but for those that are to run one by one, each in its place.

    The first error cancels the rest, and is raised when they have ended.
    """
    done: list[Answered] = []
    index = 0
    while index < len(names):
        end = index + 1
        if names[index] not in ONE_BY_ONE:
            while end < len(names) and names[end] not in ONE_BY_ONE:
                end += 1
        tasks = [asyncio.ensure_future(one(number)) for number in range(index, end)]
        try:
            done += await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        index = end
    return done


def input_digest(given: Any) -> str:
    """sha256 of a tool's input as canonical JSON."""
    text = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _doing(name: str, given: dict[str, Any]) -> str:
    """A call in a few words, for whoever watches."""
    what = next((str(given[key]) for key in ("command", "file_path", "pattern", "path") if given.get(key)), "")
    return f"{name} {' '.join(what.split())}"[:120].rstrip()


def _answered(use: dict[str, Any], result: ToolResult, ms: int = 0, **marks: bool) -> Answered:
    # The API refuses a result without content, and blocks of text without a character.
    block: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": use["id"],
        "content": result.content or "(no output)",
    }
    if result.is_error:
        block["is_error"] = True
    record = ToolRecord(
        name=use["name"],
        input_sha256=input_digest(use["input"]),
        ok=not result.is_error,
        read={mark.path: mark.sha256 for mark in result.read},
        wrote={mark.path: mark.sha256 for mark in result.wrote},
        command=result.command,
        exit_code=result.exit_code,
        log=result.log,
        ms=ms,
        **marks,
    )
    return Answered(block, record)


def _failed(use: dict[str, Any], message: str, *, unknown: bool = False) -> Answered:
    return _answered(use, ToolResult(message, is_error=True), unknown=unknown)


def _refused(use: dict[str, Any], message: str) -> Answered:
    return _answered(use, ToolResult(message, is_error=True), refused=True)


def _message(answered: Sequence[Answered]) -> Message:
    return Message(
        purpose="tool_results",
        content=[done.block for done in answered],
        calls=[done.record for done in answered],
        at=now(),
    )
