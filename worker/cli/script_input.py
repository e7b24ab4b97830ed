"""From the words of a command to a checked script and its arguments. Nothing here starts anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..config import UsageError

if TYPE_CHECKING:
    from tenuto.workflows.script.protocol import LoadedScript

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Larger files are not even looked into; the loader's own limit on scripts is far lower."""


def script_bytes(path: Path) -> bytes:
    """The bytes of a script file.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    what, expected = f"the script {str(path)!r}", "a .py or .js file"
    if path.is_fifo():
        raise UsageError(f"{what} is a pipe, which nobody may ever write to; expected {expected}")
    return _read(path, what, expected)


def load_script(text: str, workspace: Path, home: Path) -> tuple[LoadedScript, Path]:
    """The script that `text` names, a file or a saved workflow's name, loaded and checked.

    Raises:
        UsageError: there is none.
        ScriptLoadError: it does not load.
    """
    from tenuto.workflows.script.dialects import load

    path = script_path(text, workspace, home)
    return load(script_bytes(path), str(path)), path


def script_path(text: str, workspace: Path, home: Path) -> Path:
    """The file that `text` names: a path, or the name of a saved workflow.

    Raises:
        UsageError: there is neither.
        ScriptLoadError: the saved workflow of that name does not load.
    """
    path = Path(text).expanduser()
    if path.exists() or "/" in text or path.suffix.lower() in (".py", ".js", ".mjs"):
        return path
    from tenuto.activities.saved_workflows import UnknownWorkflow, find

    try:
        return find(text, workspace, home)
    except UnknownWorkflow as error:
        raise UsageError(f"there is no file {text!r}, and {error}") from None


def parse_args(text: str | None) -> tuple[Any, bool]:
    """The value of `--args`, and whether there is one.

    Text that starts with `{`, `[` or `"` must be JSON; other text that parses as JSON is that value; else it is a
    string. `@FILE` takes the text from a file, by the same rules.

    Raises:
        UsageError: the file cannot be read, or the text has to be JSON and is not.
    """
    if text is None:
        return None, False
    place = "--args"
    if text.startswith("@"):
        place = f"--args {text}"
        text = _text(_read(Path(text[1:]).expanduser(), f"the file of {place}", "a file with JSON or text"), place)
    value = _parse(text, place)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{place} has half of a surrogate pair; expected text that can be written as UTF-8") from None
    return value, True


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise UsageError(f"{place} is nested too deeply; expected fewer levels of {{}} and []") from None
    except ValueError as error:
        if text.lstrip()[:1] not in ("{", "[", '"'):
            return text
        raise UsageError(
            f"{place} is {_short(text)} and not valid JSON ({error}); quote it for the shell: --args '{{\"n\": 3}}'"
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _text(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{place} is not UTF-8 text; expected JSON or text") from None


def _read(path: Path, what: str, expected: str) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{what} is a directory; expected {expected}")
        if not path.exists():
            raise UsageError(f"{what} does not exist; expected {expected}")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{what} has {path.stat().st_size:,} bytes; at most {FILE_BYTES_MAX:,} are read")
        if not path.is_file() and not path.is_fifo():
            raise UsageError(f"{what} is a device; expected {expected}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} cannot be read ({error}); expected {expected}") from None
