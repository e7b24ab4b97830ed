"""Loading a Python script: every check that can be made before it runs, and the errors it can find.

In this order: syntax; `meta` and `main`; what the interpreter lacks; types, against the published stubs; and a run of
the module level alone, so that what fails there fails now. Nothing of the outside world is touched.
"""

from __future__ import annotations

import ast
import json
from functools import lru_cache
from typing import NoReturn

from pydantic_monty import (
    ExternalModule,
    FunctionSnapshot,
    MontyComplete,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    MontyTypingError,
)

from .protocol import MAX_SOURCE_BYTES, Failed, LoadedScript, ScriptLoadError, StepContext, StepLimit
from .python_constructs import lacks
from .python_meta import MetaError, phases_of, read_meta
from .python_pool import Lease, pool
from .python_prelude import PUBLIC_NAMES
from .python_rewrite import Program, parse, program, without_future
from .python_stubs import published_stubs
from .python_turn import State, Turn

STUBS = published_stubs()
"""What an author's editor sees is what a script is checked with."""
_UNAWAITED = "unused-awaitable"
_ANY_TIME = 1_700_000_000.0


@lru_cache(maxsize=64)
def load(source: str, filename: str = "script.py") -> LoadedScript:
    """Check a script without running its `main`.

    Args:
        source: the text, at most 512 KiB.
        filename: for messages.

    Raises:
        ScriptLoadError: it cannot run, with line, column, source line and, where there is one, a hint.
        InterpreterBusy: no interpreter process was free; nothing is known about the script.
    """
    complaint = _Complaint(source, filename)
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        complaint.refuse(f"the script is larger than {MAX_SOURCE_BYTES >> 10} KiB", hint="pass data in --args @FILE")
    tree = _parse(source, complaint)
    try:
        meta = read_meta(tree)
    except MetaError as error:
        complaint.refuse(error.reason, node=error.node, hint=error.hint)
    _check_main(tree, complaint)
    _check_constructs(tree, complaint)
    _check_types(without_future(source), complaint)
    _check_module_level(program(source), complaint)
    return LoadedScript(
        dialect="python",
        source=source,
        name=meta["name"],
        description=meta["description"],
        phases=phases_of(meta),
        meta=meta,
        when_to_use=meta.get("when_to_use"),
        limits=meta.get("limits", {}),
    )


class _Complaint:
    """Raises load errors that point at a place in one script."""

    def __init__(self, source: str, filename: str) -> None:
        self._lines = source.split("\n")
        self._filename = filename

    def refuse(
        self,
        reason: str,
        *,
        node: ast.AST | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> NoReturn:
        """Columns are 1-based and in characters; a syntax tree counts from 0, in bytes."""
        line = getattr(node, "lineno", line)
        text = self._lines[line - 1] if line is not None and 0 < line <= len(self._lines) else None
        offset = getattr(node, "col_offset", None)
        if text is not None and offset is not None:
            column = len(text.encode()[:offset].decode(errors="replace")) + 1
        raise ScriptLoadError(
            reason, line=line, column=column, source_line=text, hint=hint, filename=self._filename
        ) from None


def _parse(source: str, complaint: _Complaint) -> ast.Module:
    try:
        tree = parse(source)
    except SyntaxError as error:
        hint = "inside an f-string use other quotes than around it" if "f-string" in error.msg else None
        complaint.refuse(f"syntax error: {error.msg}", line=error.lineno, column=error.offset or None, hint=hint)
    except (ValueError, RecursionError, MemoryError) as error:
        complaint.refuse(f"the script cannot be parsed: {error or 'it is nested too deep'}")
    return tree


def _check_main(tree: ast.Module, complaint: _Complaint) -> None:
    found = [
        each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == "main"
    ]
    if not found:
        complaint.refuse("the script has no `main`", hint="add `async def main(args):`, which returns the result")
    main = found[-1]
    if isinstance(main, ast.FunctionDef):
        complaint.refuse("`main` must be asynchronous", node=main, hint="write `async def main(args):`")
    arguments = main.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    if required > 1 or any(default is None for default in arguments.kw_defaults):
        hint = "write `async def main(args):`; `args` is the JSON value given with --args"
        complaint.refuse("`main` takes one parameter, or none", node=main, hint=hint)


def _check_constructs(tree: ast.Module, complaint: _Complaint) -> None:
    found = sorted(lacks(tree), key=lambda lack: (getattr(lack.node, "lineno", 0), getattr(lack.node, "col_offset", 0)))
    for lack in found:
        complaint.refuse(lack.reason, node=lack.node, hint=lack.hint)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "tenuto":
            for alias in node.names:
                if alias.name not in PUBLIC_NAMES:
                    hint = f"tenuto has {', '.join(sorted(PUBLIC_NAMES))}"
                    complaint.refuse(f"tenuto has no function `{alias.name}`", node=alias, hint=hint)


def _check_types(source: str, complaint: _Complaint) -> None:
    modules = {"tenuto": ExternalModule({}, stubs=STUBS)}
    with pool().lease(seed="load", type_check=True, modules=modules) as lease:
        try:
            snapshot = lease.session.feed_start(source)
            while not isinstance(snapshot, MontyComplete) and getattr(snapshot, "function_name", "") == "import_stubs":
                snapshot = snapshot.resume_auto()
        except MontyTypingError as error:
            _report_types(error, complaint)
        except MontyError:
            return  # it went past the types; what is wrong behind them is told by the next check


def _report_types(error: MontyTypingError, complaint: _Complaint) -> None:
    found = [
        each for each in json.loads(error.display()) if each["severity"] == "error" and not _is_style(each["code"])
    ]
    if not found:
        return
    found.sort(key=lambda each: (each["location"]["row"], each["location"]["column"]))
    first, others = found[0], len(found) - 1
    hint = (
        "it is a coroutine: write `await` in front, or give it to parallel()" if first["code"] == _UNAWAITED else None
    )
    if others:
        more = f"{others} more type error{'s' if others > 1 else ''} follow{'' if others > 1 else 's'}"
        hint = f"{hint}; {more}" if hint else more
    place = first["location"]
    complaint.refuse(f"type error: {first['message']}", line=place["row"], column=place["column"], hint=hint)


def _is_style(code: str) -> bool:
    """Rules of the checker whose breach changes nothing at run time, such as `redundant-cast`."""
    return code.startswith(("redundant-", "possibly-", "deprecated", "unused-")) and code != _UNAWAITED


def _check_module_level(text: Program, complaint: _Complaint) -> None:
    with pool().lease(seed="load") as lease:
        try:
            ended = Turn(lease, State(), StepContext(now=_ANY_TIME)).load_module(text.text)
        except StepLimit:
            return  # a limit of the clock is decided where it can be recorded, in the run
        except MontySyntaxError as error:
            frames = error.traceback()
            complaint.refuse(f"syntax error: {error.display('msg')}", line=frames[-1].line if frames else None)
        if isinstance(ended, Failed):
            complaint.refuse(ended.message.replace(" (unknown location)", ""), line=ended.line)
        _try_imports(lease, text, complaint)


def _try_imports(lease: Lease, text: Program, complaint: _Complaint) -> None:
    """Make the imports that functions would make, and look up what is used of modules: now, not half-way."""
    for statement, line in text.nested_imports:
        try:
            snapshot = lease.session.feed_start(statement, skip_type_check=True)
            if isinstance(snapshot, FunctionSnapshot):  # it reads the environment, say: nobody will answer that
                snapshot.resume_not_handled()
        except MontyRuntimeError as error:
            complaint.refuse(error.display("type-msg").replace(" (unknown location)", ""), line=line)
