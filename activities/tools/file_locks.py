"""One writer of a file at a time in this process: agents that share a checkout would lose each other's edits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from .blocking import in_words
from .tool import Place

_locks: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def only_writer(place: Place, path: str) -> AsyncIterator[None]:
    """Hold the file at `path`, by its spelling.

    Raises:
        ToolError: the path leads out of the workspace.
    """
    with in_words(path):
        whole = str(place.root / place.files.relative(path))
    lock = _locks.setdefault((asyncio.get_running_loop(), whole), asyncio.Lock())
    async with lock:
        yield
