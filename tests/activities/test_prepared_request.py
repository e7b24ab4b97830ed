"""What is sent with a body written beforehand is what the anthropic package itself would send."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.resources.messages import AsyncMessages
from opentelemetry import trace

from tenuto.activities import prepared_request

PLAIN: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Sé breve ☃.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Read \u2028 it \U0001f600."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {"n": 1.5}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": True}]},
    ],
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "enum": [None, True, 10**20]}}},
}
WITH_TOOLS: dict[str, Any] = {
    **PLAIN,
    "tools": [{"name": "Read", "description": "d", "input_schema": {"type": "object", "properties": {}}}],
    "betas": ["compact-2026-01-12", "other-2026-01-01"],
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
}


async def sent(request: dict[str, Any], *, by_create: bool, **credential: str) -> httpx2.Request:
    """The HTTP request that a request becomes."""
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=b"")

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    async with anthropic.AsyncAnthropic(**credential, max_retries=0, http_client=http_client) as client:  # type: ignore[arg-type]
        if by_create:
            messages: Any = client.beta.messages if "betas" in request else client.messages
            stream = await messages.create(**request, stream=True)
        else:
            stream = await prepared_request.send(client, request)
        await stream.close()
    (request_sent,) = seen
    return request_sent


@pytest.mark.parametrize("request_", [PLAIN, WITH_TOOLS, {**PLAIN, "betas": ["one"]}], ids=["plain", "tools", "beta"])
@pytest.mark.parametrize("credential", [{"api_key": "k"}, {"auth_token": "t"}], ids=["key", "token"])
async def test_the_same_is_sent_as_by_create(request_: dict[str, Any], credential: dict[str, str]) -> None:
    ours = await sent(request_, by_create=False, **credential)
    theirs = await sent(request_, by_create=True, **credential)
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert json.loads(ours.content) == json.loads(theirs.content)
    assert without_length(ours) == without_length(theirs)


async def test_who_receives_spans_gets_that_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[str] = []
    create = AsyncMessages.create

    async def noted(self: AsyncMessages, **given: Any) -> Any:
        created.append(given["model"])
        return await create(self, **given)

    monkeypatch.setattr(AsyncMessages, "create", noted)
    await sent(PLAIN, by_create=False, api_key="k")
    assert created == []
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    await sent(PLAIN, by_create=False, api_key="k")
    assert created == [PLAIN["model"]]


async def test_half_a_character_is_refused_as_the_package_refuses_it() -> None:
    request = {**PLAIN, "messages": [{"role": "user", "content": "\ud83d"}]}
    with pytest.raises(UnicodeEncodeError):
        await sent(request, by_create=False, api_key="k")


def without_length(request: httpx2.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name != "content-length"}
