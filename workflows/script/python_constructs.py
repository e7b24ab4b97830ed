"""What the interpreter lacks, found in a script before it runs, with what to write instead.

Monty's own parser refuses most of these too, but some only when they are reached. `test_python_constructs` asks the
interpreter itself whether this page is still true.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

MODULES = frozenset(
    (
        *("__future__", "asyncio", "base64", "binascii", "bisect", "collections", "collections.abc", "copy", "csv"),
        *("dataclasses", "datetime", "decimal", "functools", "hashlib", "itertools", "json", "math", "os", "os.path"),
        *("pathlib", "random", "re", "sys", "tenuto", "time", "tomllib", "typing", "unicodedata"),
    )
)
"""Modules a script may import."""

_INSTEAD_OF_MODULE = {
    "enum": "use strings, and `Literal[…]` in annotations",
    "uuid": "use `random.getrandbits(64)`, which is seeded and so the same at every replay",
    "secrets": "use `random`, which is seeded and so the same at every replay",
    "string": "write the characters out",
    "subprocess": "use `sh(command)` from tenuto",
    "glob": "use `glob(pattern)` from tenuto",
    "shutil": "use `sh(command)` from tenuto",
    "statistics": "use `sum`, `len` and `sorted`",
    "logging": "use `log(message)` from tenuto",
    "threading": "use `parallel` from tenuto",
    "concurrent": "use `parallel` from tenuto",
    "anthropic": "use `agent(prompt)` from tenuto",
}
_INSTEAD_OF_ASYNCIO = {
    "create_task": "use `parallel([...])` or `asyncio.gather(...)`, which start what they are given",
    "ensure_future": "use `parallel([...])` or `asyncio.gather(...)`, which start what they are given",
    "TaskGroup": "use `parallel([...])` or `asyncio.gather(...)`",
    "wait": "use `parallel([...])` or `asyncio.gather(...)`",
    "as_completed": "use `pipeline(items, stage, …)`: each item moves on as soon as it is done",
    "wait_for": "use `agent(…, timeout=seconds)`",
    "timeout": "use `agent(…, timeout=seconds)`",
    "Semaphore": "the run's concurrency (`--concurrency`) already bounds how many agents work at once",
    "Lock": "use `lock(name, function)` from tenuto",
    "create_subprocess_shell": "use `sh(command)` from tenuto",
    "create_subprocess_exec": "use `sh(command)` from tenuto",
    "Queue": "use `pipeline(items, stage, …)`",
}
_MISSING_METHODS = {
    "format_map": "use an f-string",
    "translate": "use `replace` or `re.sub`",
    "maketrans": "use `replace` or `re.sub`",
    "bit_length": "use `math.log2`",
    "utcnow": "use `datetime.now(timezone.utc)`",
    "fromtimestamp": "use `datetime(1970, 1, 1) + timedelta(seconds=…)`",
    "utcfromtimestamp": "use `datetime(1970, 1, 1) + timedelta(seconds=…)`",
}
"""Methods of built-in types that the interpreter lacks."""
_BASES = {
    "TypedDict": "annotate with `dict[str, Any]`, or use a dataclass",
    "NamedTuple": "use a dataclass",
    "Enum": "use strings, and `Literal[…]` in annotations",
    "StrEnum": "use strings, and `Literal[…]` in annotations",
    "BaseModel": "use a dataclass",
}
_METHOD_DECORATORS = frozenset({"property", "classmethod", "staticmethod"})


@dataclass(frozen=True, slots=True)
class Lack:
    """Something in a script that cannot run."""

    node: ast.AST
    reason: str
    hint: str


def lacks(tree: ast.Module) -> Iterator[Lack]:
    """All that the interpreter lacks, in no particular order."""
    for statement in tree.body:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="run"))):
                yield Lack(
                    statement, "a script does not run itself", "the runtime calls main(args): leave this line out"
                )
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(tree):
        yield from _statement(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(node)
        elif isinstance(node, ast.Call):
            yield from _called(node)
        elif isinstance(node, ast.Attribute):
            yield from _attribute(node, defined)


def _statement(node: ast.AST) -> Iterator[Lack]:
    match node:
        case ast.Yield() | ast.YieldFrom():
            yield Lack(node, "generators (`yield`) do not run in a script", "build a list and return it")
        case ast.AsyncWith():
            yield Lack(node, "`async with` does not run in a script", "use `try: … finally: …`")
        case ast.AsyncFor():
            yield Lack(node, "`async for` does not run in a script", "await a list, then use `for`")
        case ast.comprehension(is_async=1):
            yield Lack(node.target, "asynchronous comprehensions do not run in a script", "use `parallel([...])`")
        case ast.ClassDef(bases=bases, keywords=keywords) if bases or keywords:
            yield Lack(node, "class inheritance does not run in a script", _instead_of_base(bases))
        case ast.ClassDef(body=body):
            for method in body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _decorated(method)
        case ast.Delete():
            yield Lack(node, "`del` does not run in a script", "use `items.pop(key)`, or assign None")
        case ast.TryStar():
            yield Lack(node, "`except*` does not run in a script", "use `except`")


def _decorated(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Lack]:
    for decorator in method.decorator_list:
        if isinstance(decorator, ast.Name) and decorator.id in _METHOD_DECORATORS:
            reason = f"`@{decorator.id}` does not run in a script"
            yield Lack(decorator, reason, "use a plain method, or a function outside the class")


def _instead_of_base(bases: list[ast.expr]) -> str:
    names = [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in bases]
    for name in names:
        if name in _BASES:
            return _BASES[name]
        if name.endswith(("Error", "Exception")):
            return "raise `RuntimeError(text)`, and look at `str(error)` where it is caught"
    return "use plain functions, or a dataclass that holds what the classes share"


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[Lack]:
    if isinstance(node, ast.ImportFrom):
        if node.level:
            yield Lack(node, "a script is one file: there is nothing to import relative to it", "move the code here")
            return
        if any(alias.name == "*" for alias in node.names):
            yield Lack(node, "`import *` does not run in a script", "name what you import")
            return
        modules = [node.module or ""]
    else:
        modules = [alias.name for alias in node.names]
    for module in modules:
        if module == "tenuto" and isinstance(node, ast.Import):
            yield Lack(node, "`import tenuto` does not bind the functions", "write `from tenuto import Meta, agent`")
        elif module == "collections.abc" and isinstance(node, ast.Import):
            yield Lack(
                node, "`import collections.abc` does not run in a script", "write `from collections.abc import …`"
            )
        elif module not in MODULES:
            offered = ", ".join(sorted(MODULES - {"__future__", "tenuto"}))
            hint = _INSTEAD_OF_MODULE.get(module.partition(".")[0], f"a script may import {offered}")
            yield Lack(node, f"the module `{module}` is not available to scripts", hint)


def _called(node: ast.Call) -> Iterator[Lack]:
    match node.func:
        case ast.Attribute(value=ast.Name(id="asyncio"), attr="gather") | ast.Name(id="gather"):
            for keyword in node.keywords:
                if keyword.arg == "return_exceptions":
                    hint = "use `parallel([...])`: a call that fails gives None in its slot"
                    yield Lack(keyword, "`gather(return_exceptions=…)` does not run in a script", hint)
        case ast.Name(id="open"):
            yield Lack(node, "a script opens no files", "use `read(path)` and `write(path, text)`, or --args")
        case ast.Name(id="input"):
            yield Lack(node, "a script has no terminal", "pass the value in --args")


def _attribute(node: ast.Attribute, defined: set[str]) -> Iterator[Lack]:
    if isinstance(node.value, ast.Name) and node.value.id == "asyncio" and node.attr in _INSTEAD_OF_ASYNCIO:
        reason = f"`asyncio.{node.attr}` does not run in a script"
        yield Lack(node, reason, _INSTEAD_OF_ASYNCIO[node.attr])
    elif node.attr in _MISSING_METHODS and node.attr not in defined:
        yield Lack(node, f"the method `{node.attr}` is not available to scripts", _MISSING_METHODS[node.attr])
