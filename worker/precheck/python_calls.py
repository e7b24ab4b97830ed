"""Calls of the script API in a Python script, by its syntax tree."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

from tenuto.workflows.script.python_rewrite import parse

from .calls import FUNCTIONS, UNKNOWN, Call, named

_DEPTH_MAX = 20


def python_calls(source: str) -> list[Call]:
    """The calls of a script that loads, in the order of its lines."""
    tree = parse(source)
    seen = _Seen(tree)
    calls = [call for node in ast.walk(tree) if isinstance(node, ast.Call) and (call := seen.call(node)) is not None]
    return sorted(calls, key=lambda call: call.line)


class _Seen:
    """Names of a module: which are functions of the API, which stand for one value all along."""

    def __init__(self, tree: ast.Module) -> None:
        bound = Counter(_bound(tree))
        self._functions: dict[str, str] = {}
        self._modules: set[str] = set()
        self._constants: dict[str, ast.expr] = {}
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module="tenuto"):
                    for alias in node.names:
                        local = alias.asname or alias.name
                        if alias.name in FUNCTIONS and bound[local] == 1:
                            self._functions[local] = alias.name
                case ast.Import():
                    self._modules |= {alias.asname or alias.name for alias in node.names if alias.name == "tenuto"}
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound[name] == 1:
                    self._constants[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if bound[name] == 1:
                    self._constants[name] = value
                case _:
                    pass

    def call(self, node: ast.Call) -> Call | None:
        match node.func:
            case ast.Name(id=name) if name in self._functions:
                function = self._functions[name]
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in self._modules and name in FUNCTIONS:
                function = name
            case _:
                return None
        positional: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                break
            positional.append(self._value(argument))
        values = named(function, positional)
        values |= {keyword.arg: self._value(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        return Call(function, function, node.lineno, values)

    def _value(self, node: ast.expr, depth: int = 0) -> Any:
        value: Any = UNKNOWN
        match node if depth <= _DEPTH_MAX else None:
            case ast.Constant(value=constant):
                value = constant
            case ast.JoinedStr(values=parts):
                texts = [self._value(part, depth + 1) for part in parts]
                value = "".join(texts) if all(isinstance(text, str) for text in texts) else UNKNOWN
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                value = self._value(inner, depth + 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                one, other = self._value(left, depth + 1), self._value(right, depth + 1)
                value = one + other if type(one) is type(other) and isinstance(one, str | list) else UNKNOWN
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                value = [each for item in items for each in self._items(item, depth + 1)]
            case ast.Name(id=name) if name in self._constants:
                value = self._value(self._constants[name], depth + 1)
            case _:
                pass
        return value

    def _items(self, node: ast.expr, depth: int) -> list[Any]:
        if not isinstance(node, ast.Starred):
            return [self._value(node, depth)]
        value = self._value(node.value, depth)
        return value if isinstance(value, list) else [UNKNOWN]


def _bound(tree: ast.Module) -> list[str]:
    """Every name once for each place that binds it, in whatever scope."""
    names: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.append(name)
            case ast.arg(arg=name):
                names.append(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.append(name)
            case ast.alias(name=name, asname=local):
                names.append(local or name)
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                names.append(name)
            case _:
                pass
    return names
