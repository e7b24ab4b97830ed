"""One door to both dialects: which one a file is in, loading it, and opening a session."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from .protocol import MAX_SOURCE_BYTES, Dialect, LoadedScript, ScriptLoadError, Session

_BY_SUFFIX: dict[str, Dialect] = {".js": "javascript", ".mjs": "javascript", ".py": "python"}
_REFUSED = {
    ".ts": "TypeScript",
    ".tsx": "TypeScript",
    ".mts": "TypeScript",
    ".jsx": "JSX",
    ".cjs": "a CommonJS module",
    ".pyi": "a stub file",
}


def load(source: bytes, filename: str) -> LoadedScript:
    """Check a script without running it.

    Args:
        source: the file's bytes, at most 512 KiB of UTF-8.
        filename: its name; the suffix says the dialect (`.js`, `.mjs`, `.py`).

    Raises:
        ScriptLoadError: with line, caret and hint, where there is a place to point at.
    """
    text = _text(source, filename)
    if dialect_of(filename) == "python":
        from . import python

        return python.load(text, filename)
    from . import javascript

    return javascript.load(text, filename)


def open_session(script: LoadedScript, *, args: Any, has_args: bool, seed: str, locale: bool = True) -> Session:
    """Open a script that was loaded before, here or on another machine; `locale` as in `javascript.open_session`."""
    if script.dialect == "python":
        from . import python

        return python.open_session(script, args=args, has_args=has_args, seed=seed)
    from . import javascript

    return javascript.open_session(script, args=args, has_args=has_args, seed=seed, locale=locale)


def restore_session(script: LoadedScript, *, seed: str, state: dict[str, Any]) -> Session:
    """Open a script that waits, as `Session.state` left it, here or on another machine.

    Args:
        script: the same.
        seed: the same.
        state: plain JSON, made by an interpreter of the same version.
    """
    if script.dialect == "python":
        from . import python

        return python.restore_session(script, seed=seed, state=state)
    from . import javascript

    return javascript.restore_session(script, seed=seed, state=state)


@cache
def interpreters() -> dict[str, str]:
    """Dialect -> name and version of the interpreter here. A script replays on the version that began it only."""
    return {
        dialect: f"{package} {version(package)}"
        for dialect, package in (("python", "pydantic-monty"), ("javascript", "quickjs-ng"))
    }


def close_interpreters() -> None:
    """End the interpreter processes of this process. A later session starts new ones."""
    from . import javascript, python

    python.close_pool()
    javascript.close_pool()


def dialect_of(filename: str) -> Dialect:
    """The dialect by suffix.

    Raises:
        ScriptLoadError: the suffix is of no dialect.
    """
    suffix = PurePath(filename).suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    what = _REFUSED.get(suffix)
    reason = f"this is {what}, not a workflow script" if what else f"the suffix {suffix!r} names no dialect"
    raise ScriptLoadError(
        reason,
        hint="a script is Python (`.py`) or the JavaScript of Claude Code's saved workflows (`.js`)",
        filename=filename,
    )


def _text(source: bytes, filename: str) -> str:
    if len(source) > MAX_SOURCE_BYTES:
        raise ScriptLoadError(
            f"the script has {len(source):,} bytes; at most {MAX_SOURCE_BYTES:,} (512 KiB) are read",
            hint="give data through --args @FILE, and keep the script to the orchestration",
            filename=filename,
        )
    if b"\0" in source:
        raise ScriptLoadError("this is a binary file, not a script", filename=filename)
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ScriptLoadError("the script is not UTF-8 text", line=line, filename=filename) from None
    if not text.strip():
        raise ScriptLoadError(
            "the script is empty",
            hint="it needs `meta` and a body; `tenuto check FILE` says what is missing",
            filename=filename,
        )
    return text.replace("\r\n", "\n")
