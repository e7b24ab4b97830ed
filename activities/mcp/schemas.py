"""Input schemas of MCP servers, made into what the Messages API takes. Pure.

The API wants an object at the root, no `anyOf`, `oneOf` or `allOf` there, property names of letters, digits, `_`, `.`
and `-`, and JSON Schema 2020-12 throughout; one tool that breaks a rule costs the whole request. Servers write what
they like, and check their input themselves: a schema that we had to loosen loses nothing but help for the model.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

SCHEMA_BYTES_MAX = 64 * 1024
DEPTH_MAX = 40
_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_COMBINED = ("anyOf", "oneOf", "allOf")
_IDENTITY = ("$schema", "$id", "id")
"""Which dialect and which address a schema claims for itself."""


def acceptable(schema: Any) -> dict[str, Any] | None:
    """A schema that the API takes and that no valid input of the server's own fails; `None` if there is none.

    There is none where the server requires a property whose name the API refuses.
    """
    if not isinstance(schema, dict) or not _small(schema):
        return {"type": "object", "properties": {}}
    made = _modern(copy.deepcopy(schema))
    made = _without_combinations(made)
    for name in _IDENTITY:
        if isinstance(made.get(name), str):
            del made[name]
    made["type"] = "object"
    made["properties"] = _object(made.get("properties"))
    required = _names(made.get("required"))
    if any(not _PROPERTY.fullmatch(name) for name in required):
        return None
    refused = [name for name in made["properties"] if not _PROPERTY.fullmatch(name)]
    for name in refused:
        del made["properties"][name]
    if "required" in made:
        made["required"] = list(dict.fromkeys(required))
    return made if _valid(made) else _bare(made)


def _small(schema: dict[str, Any]) -> bool:
    try:
        return len(json.dumps(schema)) <= SCHEMA_BYTES_MAX and _depth(schema) <= DEPTH_MAX
    except (ValueError, RecursionError):
        return False


def _depth(value: Any) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(each) for each in below), default=0)


def _modern(value: Any) -> Any:
    """The two spellings of older drafts that are errors today: boolean exclusive bounds, and lists of item schemas."""
    if isinstance(value, list):
        return [_modern(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _modern(each) for name, each in value.items()}
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(exclusive), bool):
            strict = made.pop(exclusive)
            if strict and isinstance(made.get(bound), int | float):
                made[exclusive] = made.pop(bound)
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
        rest = made.pop("additionalItems", None)
        if rest is not None:
            made["items"] = rest
    return made


def _without_combinations(schema: dict[str, Any]) -> dict[str, Any]:
    """Fold alternatives at the root into one object: any of their properties, required what all of them require."""
    properties, required = dict(_object(schema.get("properties"))), _names(schema.get("required"))
    folded = False
    for word in _COMBINED:
        given = schema.pop(word, None)
        branches = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
        if not branches:
            continue
        folded = True
        for branch in branches:
            for name, each in _object(branch.get("properties")).items():
                properties.setdefault(name, each if word == "allOf" else _loose(each))
        wanted = [set(_names(branch.get("required"))) for branch in branches]
        required += sorted(set.union(*wanted) if word == "allOf" else set.intersection(*wanted))
    if folded:
        schema["properties"], schema["required"] = properties, required
        # An alternative may allow what the root alone does not.
        schema.pop("additionalProperties", None)
        schema.pop("unevaluatedProperties", None)
    return schema


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _loose(schema: Any) -> dict[str, Any]:
    """One alternative's property: others may mean something else by it, so only its words are kept."""
    text = schema.get("description") if isinstance(schema, dict) else None
    return {"description": text} if isinstance(text, str) else {}


def _valid(schema: dict[str, Any]) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return all(_leads_somewhere(reference, schema) for reference in _references(schema))


def _references(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (value[name] for name in ("$ref", "$dynamicRef") if name in value)
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in below:
        yield from _references(each)


def _leads_somewhere(reference: Any, schema: Any) -> bool:
    """Whether a reference is to a part of the schema itself: nothing else is fetched, by the API or by us."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return False
    for part in reference[2:].split("/") if len(reference) > 2 else []:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and key.isdigit() and int(key) < len(schema):
            schema = schema[int(key)]
        elif isinstance(schema, dict) and key in schema:
            schema = schema[key]
        else:
            return False
    return isinstance(schema, dict | bool)


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """Names and words of the properties, and nothing about their form."""
    bare: dict[str, Any] = {
        "type": "object",
        "properties": {name: _loose(each) for name, each in schema["properties"].items()},
    }
    if schema.get("required"):
        bare["required"] = schema["required"]
    return bare
