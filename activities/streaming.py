"""One request and its streamed response: from Server-Sent Events to a whole message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import anthropic
from anthropic import AsyncStream
from anthropic.lib.bedrock import AsyncAnthropicBedrock
from pydantic_core import from_json

from .clients import Client
from .errors import StreamBroken
from .prepared_request import send

COMPACTION_SILENCE_S = 600.0
"""Writing a summary sends no text, and of a full context it takes minutes."""


class Stalled(Exception):
    """The response showed no sign of life for the whole stall window."""


@dataclass(slots=True)
class Response:
    """A message as the API sent it. `content` are its blocks, ready to be sent back as a turn."""

    content: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    applied_edits: list[dict[str, Any]] = field(default_factory=list)
    """What the API cleared from the conversation before it answered."""
    cut_tool_use: str | None = None
    """Name of the tool whose call was under way when the answer reached its limit. It is not in `content`."""
    request_id: str | None = None
    received: int = 0
    """Characters of text and input that have come."""
    complete: bool = False


async def ask(
    client: Client,
    request: Mapping[str, Any],
    *,
    stall_s: float,
    silence_s: float | None = None,
    on_headers: Callable[[Mapping[str, str]], None],
    on_begun: Callable[[Response], None] = lambda _response: None,
) -> Response:
    """Send one request and read its response to the end.

    Any event counts as life, `ping` too.

    Args:
        request: as `messages.create` takes it; with `betas`, as `beta.messages.create` does.
        silence_s: how long there may be no event before the first block, where the API may compact before it answers.
            Within the block of a compaction, which comes in one piece, it is `COMPACTION_SILENCE_S` in any case.
        on_headers: sees the response's headers before its first event.
        on_begun: sees the response at its `message_start`, from where on the prompt is in the cache and is billed. It
            goes on growing: `complete` says whether it came to its end.

    Raises:
        Stalled: nothing came for `stall_s` seconds. The request is cut.
        StreamBroken: the stream ended before `message_stop`.
        anthropic.APIError, httpx2.HTTPError: as the client raises them; an error event is an `APIStatusError`.
    """
    windows_s = {
        "beginning": max(stall_s, silence_s or 0.0),
        "compacting": max(stall_s, COMPACTION_SILENCE_S),
        "speaking": stall_s,
    }
    window_s = windows_s["beginning"]
    try:
        async with asyncio.timeout(window_s) as patience:
            stream = await send(client, request)
            try:
                on_headers(stream.response.headers)
                reading = _Reading(Response(request_id=stream.response.headers.get("request-id")))
                async for event in _events(client, stream):
                    reading.take(event)
                    if event.get("type") == "message_start":
                        on_begun(reading.response)
                    window_s = windows_s[reading.stage]
                    _extend(patience, window_s)
            finally:
                await stream.close()
    except TimeoutError as error:
        raise Stalled(f"no event for {window_s:g} s") from error
    if not reading.response.complete:
        raise StreamBroken("the response ended before it was complete")
    return reading.response


def _extend(patience: asyncio.Timeout, window_s: float) -> None:
    """Begin the window anew. Moving a timer at each event of a fast stream is dear, so it moves in grains, late."""
    until, grain = asyncio.get_running_loop().time() + window_s, window_s / 64
    before = patience.when() or 0.0
    if not before - 2 * grain < until <= before:
        patience.reschedule(until + grain)


async def _events(client: Client, stream: AsyncStream[Any]) -> AsyncIterator[dict[str, Any]]:
    """Events as plain objects.

    The stream's own iterator drops `ping` and builds a model of each event; only Bedrock's framing needs it.
    """
    if isinstance(client, AsyncAnthropicBedrock):
        async for item in stream:
            yield item.to_dict()
        return
    async for event in AsyncStream.raw_events(stream.response):
        try:
            data = from_json(event.data)
        except ValueError as error:
            raise StreamBroken("an event of the response is not JSON") from error
        if event.event == "error":
            message = f"error event in the response: {event.data}"
            raise anthropic.APIStatusError(message, response=stream.response, body=data)
        yield data


class _Reading:
    """Folds events into a `Response`. What it does not know it passes over, as the API's versioning rules ask."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self._parts: list[str] = []
        """Text of the block under way: joined once, since one by one would cost the square of its length."""
        self._broken: str | None = None
        """Why the last block's input is none."""
        self.stage: Literal["beginning", "compacting", "speaking"] = "beginning"
        """No block has begun; the block under way is a compaction; neither."""

    def take(self, event: dict[str, Any]) -> None:
        handler = _HANDLERS.get(event.get("type", ""))
        if handler is not None:
            try:
                handler(self, event)
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                raise StreamBroken(f"unexpected shape of a {event.get('type')} event") from error

    def _message_start(self, event: dict[str, Any]) -> None:
        message = event["message"]
        self.response.model = message["model"]
        self.response.usage = dict(message["usage"])

    def _block_start(self, event: dict[str, Any]) -> None:
        self._check_whole()
        self.response.content.append(dict(event["content_block"]))
        self._parts = []
        self.stage = "compacting" if event["content_block"]["type"] == "compaction" else "speaking"

    def _block_delta(self, event: dict[str, Any]) -> None:
        delta = event["delta"]
        kind = delta["type"]
        name = _DELTA_TEXT.get(kind)
        if name is not None:
            self._parts.append(delta[name])
            self.response.received += len(delta[name])
        elif kind == "signature_delta":
            self.response.content[-1]["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block = self.response.content[-1]
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        elif kind == "compaction_delta":
            # Whole, and opaque: it goes back as it came.
            self.response.content[-1].update({name: value for name, value in delta.items() if name != "type"})

    def _block_stop(self, _event: dict[str, Any]) -> None:
        self.stage = "speaking"
        block, text = self.response.content[-1], "".join(self._parts)
        if block["type"] in ("text", "thinking"):
            block[block["type"]] = (block.get(block["type"]) or "") + text
        elif text:
            try:
                block["input"] = from_json(text)
            except ValueError as error:
                # At the output limit a call ends half-way; `stop_reason` says so, later.
                self._broken = str(error)

    def _check_whole(self) -> None:
        if self._broken is not None:
            raise StreamBroken(f"the input of a tool call is not JSON: {self._broken}")

    def _leave_out_half_a_call(self) -> None:
        """An answer that ends at a limit within a call, whose input so far may even be JSON, does not make it."""
        content = self.response.content
        if self.response.stop_reason in _LIMITS and content and content[-1]["type"] in ("tool_use", "server_tool_use"):
            self.response.cut_tool_use = content.pop()["name"]
            self._broken = None
        self._check_whole()

    def _message_delta(self, event: dict[str, Any]) -> None:
        delta = event["delta"]
        self.response.stop_reason = delta.get("stop_reason")
        self.response.stop_details = delta.get("stop_details")
        # Counts are cumulative; what is left out keeps the value of message_start.
        self.response.usage.update({name: count for name, count in event["usage"].items() if count is not None})
        self.response.applied_edits = (event.get("context_management") or {}).get("applied_edits") or []

    def _message_stop(self, _event: dict[str, Any]) -> None:
        self._leave_out_half_a_call()
        self.response.complete = True


_LIMITS = frozenset({"max_tokens", "model_context_window_exceeded", "refusal"})
"""Stop reasons by which an answer may end in the middle of a block."""
_DELTA_TEXT = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
_HANDLERS: dict[str, Callable[[_Reading, dict[str, Any]], None]] = {
    "message_start": _Reading._message_start,
    "content_block_start": _Reading._block_start,
    "content_block_delta": _Reading._block_delta,
    "content_block_stop": _Reading._block_stop,
    "message_delta": _Reading._message_delta,
    "message_stop": _Reading._message_stop,
}
