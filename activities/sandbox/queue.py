"""At most one command per CPU at once in this process; the rest wait in the order in which they came."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def cpus() -> int:
    """CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@asynccontextmanager
async def slot(say: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold one of the process's slots; `say` is told when there is none free."""
    loop = asyncio.get_running_loop()
    slots = _slots.setdefault(loop, asyncio.Semaphore(cpus()))
    if slots.locked():
        say("waits for a CPU: other commands run")
    async with slots:
        yield
