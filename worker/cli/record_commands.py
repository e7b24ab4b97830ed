"""`audit`, `script`: what the store keeps of a run, written out."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..config import Settings, UsageError
from .output import notice, print_json, write_bytes
from .session import open_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..kept.run import KeptRun
    from ..runs import Runs

T = TypeVar("T")
Write = Callable[[bytes], object]


def with_kept_runs(work: Callable[[Runs], Coroutine[Any, Any, T]]) -> T:
    """Do something with runs as the store has them; no service is started for it.

    Raises:
        UsageError: bad input, or what is asked for is not there.
    """
    from ..connect import Unreachable

    try:
        return asyncio.run(work(open_runs(Settings.load(), starts=False)))
    except Unreachable as error:
        raise UsageError(str(error)) from None


def audit(run_id: str, *, output: Path | None, json: bool) -> int:
    """Write one JSON object a line: the run, its agents, steps, gates, reviews and questions.

    With `json` one document: the same objects in an array, or, with `output`, what was written.
    """
    from ..kept.audit import audit as objects
    from ..kept.run import KeptRun

    async def write(runs: Runs) -> dict[str, Any]:
        run = await KeptRun.open(runs, run_id)
        with opened(output) as put:
            counts = await (_array if json and output is None else _lines)(objects(run), put)
        _warn(run)
        return {"run_id": run_id, "objects": counts}

    told = with_kept_runs(write)
    if output is not None:
        told |= {"file": str(output), "bytes": output.stat().st_size}
        notice(f"{output}: {sum(told['objects'].values()):,} objects, {told['bytes']:,} bytes")
        if json:
            print_json(told)
    return 0


def script(run_id: str, *, output: Path | None, json: bool) -> int:
    """Print or write the script of a run, as it was loaded."""

    async def read(runs: Runs) -> Any:
        return (await runs.input(run_id)).script

    found = with_kept_runs(read)
    if output is not None:
        with opened(output) as put:
            put(found.source.encode())
        notice(f"{output}: {found.name}, {len(found.source.encode()):,} bytes")
    if json:
        values = found.model_dump(mode="json", include={"name", "dialect", "sha256", "path"})
        print_json({"run_id": run_id, **values, **({"file": str(output)} if output else {"source": found.source})})
    elif output is None:
        write_bytes(found.source.encode())
    return 0


def _warn(run: KeptRun) -> None:
    if not run.ended:
        notice(f"{run.id} has not ended as far as is known here: what there is so far")


@contextmanager
def opened(output: Path | None) -> Iterator[Write]:
    """What writes to a file, or to stdout. Raises `UsageError` where the file cannot be written."""
    if output is None:
        yield write_bytes
        return
    try:
        with output.open("wb") as file:
            yield file.write
    except OSError as error:
        raise UsageError(f"-o is {str(output)!r}, which cannot be written: {error.strerror}") from None


async def _lines(objects: AsyncIterator[dict[str, Any]], write: Write) -> dict[str, int]:
    counts: dict[str, int] = {}
    async for each in objects:
        counts[each["type"]] = counts.get(each["type"], 0) + 1
        write(_encoded(each) + b"\n")
    return counts


async def _array(objects: AsyncIterator[dict[str, Any]], write: Write) -> dict[str, int]:
    counts: dict[str, int] = {}
    async for each in objects:
        write((b",\n" if counts else b"[\n") + _encoded(each))
        counts[each["type"]] = counts.get(each["type"], 0) + 1
    write(b"\n]\n")
    return counts


def _encoded(value: Any) -> bytes:
    return json_module.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
