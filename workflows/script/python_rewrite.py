"""A script as the interpreter is fed it: the same lines, with the imports that it cannot make bound otherwise."""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_parsing = threading.Lock()  # warning filters belong to the process, not to a thread
_TYPING = {
    "TYPE_CHECKING": "False",
    "cast": '_tenuto["cast"]',
    "NewType": '_tenuto["cast"]',
    "TypeVar": '_tenuto["type_variable"]',
    "ParamSpec": '_tenuto["type_variable"]',
}


@dataclass(frozen=True, slots=True)
class Program:
    """What is fed: `text` has the line numbers of the script."""

    text: str
    main_takes_args: bool
    nested_imports: tuple[tuple[str, int], ...]
    """Imports inside functions and uses of modules, as statements with their line: to be tried before the run."""


def parse(source: str) -> ast.Module:
    """The syntax tree of a script that Python itself accepts.

    Raises:
        SyntaxError: it does not; `await` and `return` outside a function are found as well.
        ValueError, RecursionError, MemoryError: it is out of what the parser can take.
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape such as "\d" is the author's to see in his editor
        tree = ast.parse(source)
        try:
            compile(source, "script.py", "exec", dont_inherit=True)
        except SyntaxError as error:  # unlike the parser's, its columns count bytes
            if error.lineno and error.offset:
                before = source.split("\n")[error.lineno - 1].encode()[: error.offset - 1]
                error.offset = len(before.decode(errors="replace")) + 1
            raise
        return tree


@lru_cache(maxsize=64)
def program(source: str) -> Program:
    """Rewrite a script that passed the loader's checks."""
    tree = parse(source)
    lines = source.split("\n")
    for node in sorted(_rewritten(tree), key=lambda each: (each.lineno, each.col_offset), reverse=True):
        _replace(lines, node, _module_name() if isinstance(node, ast.Name) else _binding_rows(node))
    main = next(
        node for node in tree.body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name == "main"
    )
    takes_args = bool(main.args.posonlyargs or main.args.args or main.args.vararg)
    return Program("\n".join(lines), takes_args, tuple(_nested_imports(tree)))


def without_future(source: str) -> str:
    """The script for the type checker, which knows no module `__future__`; nothing else moves."""
    lines = source.split("\n")
    for node in parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            _replace(lines, node, ["pass", *[""] * ((node.end_lineno or node.lineno) - node.lineno)])
    return "\n".join(lines)


def _rewritten(tree: ast.Module) -> Iterator[ast.ImportFrom | ast.Name]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="__name__", ctx=ast.Load()):
                yield node
            case ast.ImportFrom() if _bindings(node) is not None:
                yield node


def _module_name() -> list[str]:
    """What `__name__` is here: a script is imported, so to speak, and `if __name__ == "__main__":` is for elsewhere."""
    return ['"script"']


def _bindings(node: ast.ImportFrom) -> list[tuple[str, str]] | None:
    """Name and expression for each imported name, or `None` where the interpreter can make the import itself."""
    if node.module == "tenuto":
        return [(alias.asname or alias.name, f'_tenuto["{alias.name}"]') for alias in node.names]
    if node.module not in ("typing", "collections.abc"):
        return None
    bindings = []
    for alias in node.names:
        if alias.name not in _TYPING and not alias.name[:1].isupper():
            return None  # `get_args`, `overload`, …: let the interpreter say that it has none
        bindings.append((alias.asname or alias.name, _TYPING.get(alias.name, '_tenuto["form"]')))
    return bindings


def _binding_rows(node: ast.ImportFrom) -> list[str]:
    """The bindings as one statement, over as many lines as the import has."""
    bindings = _bindings(node) or []
    names = "".join(f"{name}, " for name, _ in bindings)
    values = "".join(f"{value}, " for _, value in bindings)
    rows = [f"{names}= ({values}", *[""] * ((node.end_lineno or node.lineno) - node.lineno)]
    rows[-1] += ")"
    return rows


def _replace(lines: list[str], node: ast.ImportFrom | ast.Name, rows: list[str]) -> None:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    before = lines[first].encode()[: node.col_offset].decode()
    after = lines[last].encode()[node.end_col_offset or 0 :].decode()
    rows = [before + rows[0], *rows[1:]]
    rows[-1] += after
    lines[first : last + 1] = rows


def _nested_imports(tree: ast.Module) -> list[tuple[str, int]]:
    top = {id(node) for node in tree.body}
    tries: dict[str, int] = {}
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom | ast.Import):
            continue
        made_here = isinstance(node, ast.ImportFrom) and _bindings(node) is not None
        if id(node) not in top and not made_here:
            tries.setdefault(ast.unparse(node), node.lineno)
        if isinstance(node, ast.Import):
            modules.update({alias.asname: alias.name for alias in node.names if alias.asname})
            modules.update({alias.name: alias.name for alias in node.names if "." not in alias.name})
    rebound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    rebound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in modules and name not in rebound:
                tries.setdefault(f"import {modules[name]} as _tenuto_tried\n_tenuto_tried.{attr}", node.lineno)
    return list(tries.items())
