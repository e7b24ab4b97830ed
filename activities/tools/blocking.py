"""Work on files in a thread, with its errors in words for a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..workspace.files import OutsideWorkspace
from .tool import ToolError

T = TypeVar("T")


async def in_thread(work: Callable[[], T], path: str) -> T:
    """Run blocking work on a file. A cancelled call waits for it: a write never ends behind the caller's back.

    Raises:
        ToolError: it could not be done; the message names `path`.
        asyncio.CancelledError: the work has ended.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    with in_words(path):
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            # The cancellation is what counts now; looking at the error keeps asyncio from reporting it.
            if not task.cancelled():
                task.exception()
            raise


@contextmanager
def in_words(path: str) -> Iterator[None]:
    """Turn the errors of `Files` into `ToolError`."""
    shown = path if len(path) <= 200 else path[:200] + "…"
    shown = shown.encode(errors="replace").decode()
    try:
        yield
    except FileNotFoundError as error:
        raise ToolError(f"{shown} does not exist. Paths are relative to the workspace, or absolute in it.") from error
    except IsADirectoryError as error:
        raise ToolError(f"{shown} is a directory, not a file. List it with Glob.") from error
    except NotADirectoryError as error:
        raise ToolError(f"{shown} does not exist: a part of the path is a file, not a directory.") from error
    except PermissionError as error:
        raise ToolError(f"{shown}: permission denied by the file system.") from error
    except OutsideWorkspace as error:
        raise ToolError(f"Refused: {error}. File tools work inside the workspace only.") from error
    except OSError as error:
        raise ToolError(f"{shown}: {error.strerror or error}.") from error
    except ValueError as error:
        raise ToolError(f"{error}.") from error
