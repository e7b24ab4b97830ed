"""`tenuto logs`: narrator lines of a run, one agent's conversation, or the output of a step."""

from __future__ import annotations

import asyncio
import json as json_module
from typing import TYPE_CHECKING, Any

from ..config import UsageError
from .output import print_json, write_bytes
from .read_commands import with_runs

if TYPE_CHECKING:
    from tenuto.workflows.contracts import RunReport

    from ..runs import Runs

EVERY_S = 0.5


def logs(run_id: str, agent: str | None, *, follow: bool, json: bool) -> int:
    """Print narrator lines, or an agent's messages; with `follow` until the run, or the agent, has ended."""
    if json and follow:
        raise UsageError("--json prints one document, -f goes on for ever; choose one of them")
    if agent is None:
        with_runs(lambda runs: _lines(runs, run_id, follow=follow, json=json))
    else:
        with_runs(lambda runs: _turns(runs, run_id, agent, follow=follow, json=json))
    return 0


async def _lines(runs: Runs, run_id: str, *, follow: bool, json: bool) -> None:
    from ..untold import untold_notices

    lines = await runs.log(run_id)
    untold = [notice.words for notice in await untold_notices(runs.store, run_id)]
    if json:
        print_json({"run_id": run_id, "lines": lines} | ({"untold": untold} if untold else {}))
        return
    _print(lines)
    if not follow:
        _print(untold)
        return
    from temporalio.service import RPCError

    from ..connect import Unreachable
    from .follow import new_lines

    ended = asyncio.create_task(runs.ended(run_id))
    while not ended.done():
        await asyncio.wait({ended}, timeout=EVERY_S)
        try:
            now = await runs.log(run_id)
        except (Unreachable, RPCError):
            continue  # it comes back, and nothing is lost meanwhile
        _print(new_lines(lines, now))
        lines = now
    await ended


async def _turns(runs: Runs, run_id: str, agent: str, *, follow: bool, json: bool) -> None:
    from tenuto.activities.transcript import Transcript, folder_of

    from .step_log import print_step

    if await print_step(runs, run_id, agent, json=json):
        return
    report = await runs.report(run_id)
    folder = folder_of(run_id, _agent_id(report, agent))
    transcript, shown = Transcript(runs.store, folder), 0
    while True:
        # Looked up before the messages: what was written by then is all there is.
        ended = not follow or await _has_ended(runs, run_id, folder)
        await transcript.load()
        messages = [message.model_dump(mode="json", exclude_defaults=True) for message in transcript.messages[shown:]]
        shown = len(transcript.messages)
        if json:
            print_json({"run_id": run_id, "agent": folder.rpartition("/")[2], "messages": messages})
            return
        _print([_message_text(message) for message in messages])
        if ended:
            return
        await asyncio.sleep(EVERY_S)


async def _has_ended(runs: Runs, run_id: str, folder: str) -> bool:
    from tenuto.activities.transcript import record_key

    from ..runs import ENDED

    try:
        await runs.store.size(record_key(folder))
    except FileNotFoundError:
        return (await runs.report(run_id, agents=False)).status in ENDED
    return True


def _agent_id(report: RunReport, text: str) -> str:
    for agent in report.agents:
        if agent.id == text:
            return text
    named = [agent.id for agent in report.agents if agent.label == text]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(f"{len(named)} agents of {report.run_id} are labelled {text!r}: {', '.join(named)}; name one")
    raise UsageError(f"{report.run_id} has no agent {text!r}; `tenuto show {report.run_id}` lists them")


def _message_text(message: dict[str, Any]) -> str:
    content, purpose = message.get("content", ""), message.get("purpose", "?")
    if isinstance(content, list):
        content = "\n".join(_block_text(block) for block in content)
    model = f" · {message['model']}" if message.get("model") else ""
    return f"── {purpose}{model} · {message.get('at', '')}\n{content}\n"


def _block_text(block: dict[str, Any]) -> str:
    """A block as a person reads it: text as it is, a call by its name and input, a result by what it says."""
    kind = block.get("type")
    if kind in ("text", "thinking"):
        return str(block[kind])
    if kind in ("tool_use", "server_tool_use"):
        return f"→ {block['name']} {json_module.dumps(block['input'], ensure_ascii=False)}"
    if kind == "tool_result":
        content = block.get("content", "")
        parts = content if isinstance(content, list) else [{"type": "text", "text": str(content)}]
        return ("✗ " if block.get("is_error") else "← ") + "\n".join(_block_text(part) for part in parts)
    if kind == "image":
        return "[image]"
    return json_module.dumps(block, ensure_ascii=False)


def _print(lines: list[str]) -> None:
    if lines:
        write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
