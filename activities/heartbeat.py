"""Heartbeats from a task of its own: they show life, and bring cancellation, while the work itself is silent."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from temporalio import activity

Given = ParamSpec("Given")
Result = TypeVar("Result")
FIRST_HEARTBEAT_S = 1.0
"""Not at once: a heartbeat is a request to the server, and what is quick needs none."""
HEARTBEAT_S = 3.0
"""Well under the heartbeat timeout of 30 s, on a busy machine too."""


@asynccontextmanager
async def beating(details: Callable[[], Any]) -> AsyncIterator[None]:
    """Heartbeat with what `details` gives, as long as the block runs."""

    async def beat() -> None:
        pause = FIRST_HEARTBEAT_S
        while True:
            await asyncio.sleep(pause)
            activity.heartbeat(details())
            pause = HEARTBEAT_S

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def alive(work: Callable[Given, Awaitable[Result]]) -> Callable[Given, Awaitable[Result]]:
    """An Activity that shows life as long as it works, and has nothing to tell on the way."""

    @functools.wraps(work)
    async def beats(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        async with beating(lambda: None):
            return await work(*args, **kwargs)

    return beats
