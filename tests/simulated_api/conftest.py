"""Fixtures: a simulated API on a free port and the real client that speaks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message

from tenuto.worker.simulated_api import SimulatedApi

MODEL = "claude-sonnet-5-5"


class Ask(Protocol):
    """One request with the defaults of these tests; `stream` chooses the way."""

    async def __call__(self, prompt: str = ..., *, stream: bool = ..., **params: Any) -> Message: ...


class Until(Protocol):
    """Wait for a condition that the server brings about; fails after five seconds."""

    async def __call__(self, condition: Callable[[], bool]) -> None: ...


@pytest.fixture
def until() -> Until:
    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)

    return until


@pytest.fixture
async def api() -> AsyncIterator[SimulatedApi]:
    async with SimulatedApi() as api:
        yield api


@pytest.fixture
async def client(api: SimulatedApi) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=api.url, api_key="key-one", max_retries=0) as client:
        yield client


@pytest.fixture
def ask(client: AsyncAnthropic) -> Ask:
    async def ask(prompt: str = "Say something.", *, stream: bool = False, **params: Any) -> Message:
        given: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": prompt}],
            **params,
        }
        if not stream:
            answer: Message = await client.messages.create(**given)
            return answer
        async with client.messages.stream(**given) as events:
            final: Message = await events.get_final_message()
            return final

    return ask
