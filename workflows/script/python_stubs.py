"""The published stubs as the interpreter's type checker takes them: one text, whatever modules it is kept in."""

from __future__ import annotations

import ast
from importlib.resources import files


def published_stubs() -> str:
    """`tenuto/__init__.py`, with each of its own modules in the place where it imports from it.

    The checker is given the module that a script imports and looks for no others (MEASURED), so a relative import in it
    would make everything that comes from there `Unknown`.
    """
    package = files("tenuto")
    source = package.joinpath("__init__.py").read_text(encoding="utf-8")
    lines = source.split("\n")
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            module = package.joinpath(f"{node.module}.py").read_text(encoding="utf-8")
            lines[node.lineno - 1 : node.end_lineno] = _without_future(module)
    return "\n".join(lines)


def _without_future(source: str) -> list[str]:
    """It may stand at the top of a file only, and the importing module has it, as it has what its modules share."""
    lines = source.split("\n")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.level):
            lines[node.lineno - 1] = ""
    return lines
