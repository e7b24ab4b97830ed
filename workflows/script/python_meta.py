"""The `meta = Meta(…)` of a Python script, read from its syntax tree without running anything."""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from .protocol import Phase

_TEXTS = ("name", "description", "when_to_use")
_PHASE = ("title", "detail", "model", "usd")
_LIMITS = frozenset({"agents", "concurrency", "usd"})


class MetaError(Exception):
    """`meta` is not what it must be. `node` is where, if there is a place."""

    def __init__(self, reason: str, node: ast.AST | None = None, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.node = node
        self.hint = hint


def read_meta(tree: ast.Module) -> dict[str, Any]:
    """`meta` as plain JSON: `name`, `description`, and where given `when_to_use`, `phases`, `limits`.

    Raises:
        MetaError: there is none, or its values are not literals of the right kind.
    """
    call = _find(tree)
    if call.args:
        raise MetaError("Meta takes keyword arguments only", call.args[0], 'write Meta(name="…", description="…")')
    meta: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise MetaError("meta must be a literal: `**` cannot be read without running the script", keyword.value)
        meta[keyword.arg] = _value(keyword.arg, keyword.value)
    for required in ("name", "description"):
        if not str(meta.get(required) or "").strip():
            raise MetaError(f"meta needs a {required}, a text that is not empty", call, f'add `{required}="…"`')
    return {key: value for key, value in meta.items() if value is not None}


def phases_of(meta: dict[str, Any]) -> tuple[Phase, ...]:
    """The announced phases."""
    return tuple(Phase(**phase) for phase in meta.get("phases", []))


def _find(tree: ast.Module) -> ast.Call:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="meta")], value=found):
                pass
            case ast.AnnAssign(target=ast.Name(id="meta"), value=ast.expr() as found):
                pass
            case _:
                continue
        match found:
            case ast.Call(func=ast.Name(id="Meta")):
                return found
        raise MetaError("meta must be `Meta(…)`", found, 'write `meta = Meta(name="…", description="…")`')
    hint = 'add `from tenuto import Meta` and `meta = Meta(name="…", description="…")`'
    raise MetaError("the script has no `meta`", hint=hint)


def _value(key: str, node: ast.expr) -> Any:
    if key == "phases":
        if not isinstance(node, ast.List | ast.Tuple):
            raise MetaError("meta.phases must be a list of titles", node, 'write phases=["Find", "Verify"]')
        return [_phase(item) for item in node.elts]
    value = _literal(key, node)
    if key in _TEXTS and not (isinstance(value, str) or (value is None and key == "when_to_use")):
        raise MetaError(f"meta.{key} must be a text", node)
    if key == "limits" and value is not None:
        return _limits(value, node)
    return value


def _phase(node: ast.expr) -> dict[str, Any]:
    """A title, or `Phase(title, detail, model, usd)`, as a dict without what was not given."""
    match node:
        case ast.Call(func=ast.Name(id="Phase"), args=args, keywords=keywords):
            given: dict[str, ast.expr] = dict(zip(_PHASE, args, strict=False))
            given.update({keyword.arg: keyword.value for keyword in keywords if keyword.arg})
            phase = {name: _literal("phases", value) for name, value in given.items()}
        case _:
            phase = {"title": _literal("phases", node)}
    phase = {name: value for name, value in phase.items() if value is not None}
    if not phase.get("title") or not phase.keys() <= set(_PHASE):
        raise MetaError("a phase is a title, or Phase(title, detail=…, model=…, usd=…)", node)
    if not all(isinstance(value, str) for name, value in phase.items() if name != "usd"):
        raise MetaError("title, detail and model of a phase are texts", node)
    usd = phase.get("usd", 1)
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not usd > 0:
        raise MetaError("usd of a phase is a number over 0", node)
    return phase


def _limits(value: Any, node: ast.expr) -> dict[str, float]:
    if not isinstance(value, dict) or not value.keys() <= _LIMITS:
        raise MetaError("meta.limits is a dict with `agents`, `concurrency` or `usd`", node)
    for name, limit in value.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
            raise MetaError(f"meta.limits[{name!r}] must be a number over 0", node)
    return value


def _literal(key: str, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        _not_literal(key, node)


def _not_literal(key: str, node: ast.expr) -> NoReturn:
    reason = f"meta.{key} must be a literal: it is read without running the script"
    raise MetaError(reason, node, "write the value itself; f-strings, names and calls are not literals") from None
