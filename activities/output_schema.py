"""What the API's structured outputs make of a script's JSON Schema: the ways in which it can be sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from anthropic import transform_schema

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


def _children(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    found: list[Any] = []
    for name in _MAPS:
        found.extend((node.get(name) or {}).values())
    for name in _LISTS:
        found.extend(node.get(name) or ())
    for name in _SINGLE:
        child = node.get(name)
        found.extend(child if isinstance(child, list) else [child])
    return (child for child in found if isinstance(child, dict))


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and every schema within it."""
    yield schema
    for child in _children(schema):
        yield from nodes(child)


def _is_object(node: dict[str, Any]) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or (kind is None and "properties" in node)


def without_foreign_patterns(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without regular expressions that Python cannot compile: they stay the API's to keep."""
    copy = deepcopy(schema)
    for node in nodes(copy):
        if "pattern" in node and not _compiles(node["pattern"]):
            del node["pattern"]
        by_pattern = node.get("patternProperties") or {}
        for pattern in [pattern for pattern in by_pattern if not _compiles(pattern)]:
            del by_pattern[pattern]
    return copy


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def ways_to_send(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Schemas for `output_config.format`, the most faithful first: as it is with objects closed, then as the SDK's
    `transform_schema` makes it, where that does not empty an object of its free keys."""
    ways = [_closed(schema)]
    if not any(_is_map(node) for node in nodes(schema)):
        transformed = _transformed(schema)
        if transformed is not None and transformed != ways[0]:
            ways.append(transformed)
    return ways


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy whose objects forbid further properties, where they do not speak of them and have properties at all."""
    copy = deepcopy(schema)
    copy.setdefault("type", "object")
    for node in _outside_all_of(copy):
        if _is_object(node) and node.get("properties") and not _OPENNESS & node.keys():
            node["additionalProperties"] = False
    return copy


_OPENNESS = {"additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "$ref"}


def _outside_all_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Nodes but those under `allOf`: its branches describe one object together; one closed would forbid the rest."""
    yield schema
    conjoined = [id(branch) for branch in schema.get("allOf") or ()]
    for child in _children(schema):
        if id(child) not in conjoined:
            yield from _outside_all_of(child)


def _is_map(node: dict[str, Any]) -> bool:
    """An object whose keys the schema does not name; closing it would leave nothing but `{}`."""
    if not _is_object(node):
        return False
    further = node.get("additionalProperties")
    return not node.get("properties") or bool(further) or isinstance(further, dict) or "patternProperties" in node


def _transformed(schema: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return transform_schema(_map_nodes(schema, _one_type))
    except (ValueError, AssertionError, AttributeError, TypeError):
        # What the SDK's transformation does not know (boolean schemas, for one), it says in many ways.
        return None


def _map_nodes(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if not isinstance(node, dict):
        return node
    made = dict(node)
    for name in _MAPS:
        if name in made:
            made[name] = {key: _map_nodes(child, change) for key, child in made[name].items()}
    for name in (*_LISTS, *_SINGLE):
        if isinstance(made.get(name), list):
            made[name] = [_map_nodes(child, change) for child in made[name]]
        elif name in made:
            made[name] = _map_nodes(made[name], change)
    return change(made)


def _one_type(node: dict[str, Any]) -> dict[str, Any]:
    """A list of types as alternatives of one type each: `transform_schema` knows only those."""
    kinds = node.get("type")
    if not isinstance(kinds, list) or "enum" in node or "const" in node:
        return node
    rest = {key: value for key, value in node.items() if key not in ("type", "description", "title")}
    alternatives = [{"type": kind} if kind == "null" else {"type": kind, **rest} for kind in kinds]
    said: dict[str, Any] = {key: node[key] for key in ("description", "title") if key in node}
    return {**said, "anyOf": alternatives}
