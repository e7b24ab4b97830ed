"""An uncaught exception of a Python script, told in the script's own lines."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_monty import Frame, MontyRuntimeError

from .protocol import CallError, Event, Failed
from .python_host import CAP_KINDS

SCRIPT_FILE = "<python-input-1>"
"""The interpreter's name for the second text it is fed: the prelude is 0, the script 1, the call of `main` 2."""
_FRAMES_SHOWN = 10


def failed(error: MontyRuntimeError, events: tuple[Event, ...], said: Mapping[str, CallError]) -> Failed:
    """How a run ends that way.

    Args:
        error: what nothing in the script caught.
        events: what happened in the step before it.
        said: text of every error that a failed call raised so far -> that call's error.
    """
    inner = error.exception()
    frames = [frame for frame in error.traceback() if frame.filename == SCRIPT_FILE]
    cause = said.get(str(inner)) if isinstance(inner, RuntimeError) else None
    text = error.display("type-msg").rstrip()
    return Failed(
        events,
        cause.message if cause is not None and cause.kind in CAP_KINDS else text,
        kind="script" if cause is None else cause.kind,
        line=frames[-1].line if frames else None,
        traceback=_traceback(frames, text),
    )


def _traceback(frames: list[Frame], text: str) -> str | None:
    if not frames:
        return None
    shown = (
        [*frames[: _FRAMES_SHOWN // 2], None, *frames[-_FRAMES_SHOWN // 2 :]] if len(frames) > _FRAMES_SHOWN else frames
    )
    lines = ["Traceback (most recent call last):"]
    for frame in shown:
        if frame is None:
            lines.append(f"  … {len(frames) - _FRAMES_SHOWN} more …")
            continue
        lines.append(f"  line {frame.line}, in {frame.function_name or '<module>'}")
        if frame.source_line:
            lines.append(f"    {frame.source_line.strip()}")
    return "\n".join([*lines, text])
