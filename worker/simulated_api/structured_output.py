"""Which JSON Schemas the API accepts for structured outputs.

Constrained decoding knows a part of JSON Schema (structured outputs documentation, "JSON Schema limitations"): objects
are closed, and lengths, ranges and recursion are refused with a 400. The SDK's `transform_schema` moves what is not
supported into descriptions. Tools that are not strict take any valid schema.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from .conversation import canonical
from .errors import invalid
from .regex_values import python_pattern

SCHEMAS_KEPT_MAX = 512
_REFUSED = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems"),
    "object": ("patternProperties", "minProperties", "maxProperties", "propertyNames", "dependentRequired"),
}
_REFUSED_ANYWHERE = ("oneOf", "not", "if", "then", "else", "dependentSchemas", "unevaluatedProperties")
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))


@lru_cache(SCHEMAS_KEPT_MAX)
def _validator(text: str) -> Validator:
    schema = _with_python_patterns(json.loads(text))
    kind = validator_for(schema, default=Draft202012Validator)
    kind.check_schema(schema)
    return kind(schema)


def _with_python_patterns(schema: Any) -> Any:
    """The schema without the expressions that Python cannot read: `jsonschema` would fail at them."""
    if isinstance(schema, list):
        return [_with_python_patterns(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _with_python_patterns(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str):
        pattern = python_pattern(found.pop("pattern"))
        found.update({} if pattern is None else {"pattern": pattern})
    if isinstance(schema.get("patternProperties"), dict):
        readable = {python_pattern(key): value for key, value in found["patternProperties"].items()}
        found["patternProperties"] = {key: value for key, value in readable.items() if key is not None}
    return found


def validator_of(schema: dict[str, Any]) -> Validator:
    """A validator of this schema, compiled once.

    Raises:
        SchemaError: the schema is none.
    """
    return _validator(canonical(schema))


def check_output_schema(where: str, schema: dict[str, Any], *, limits: bool) -> None:
    """Refuse a schema that is none, and with `limits` one that constrained decoding does not support.

    Raises:
        ApiError: status 400, naming `where`.
    """
    try:
        validator_of(schema)
    except SchemaError as error:
        raise invalid(f"{where}: JSON schema is invalid: {error.message}") from error
    if limits:
        reason = _limit_broken(canonical(schema))
        if reason:
            raise invalid(f"{where}: {reason}")


@lru_cache(SCHEMAS_KEPT_MAX)
def _limit_broken(text: str) -> str | None:
    schema = json.loads(text)
    return _broken_in(schema) or _recursion(schema)


def _broken_in(schema: Any) -> str | None:
    if not isinstance(schema, dict):
        return None
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        reason = _broken_for(kind, schema)
        if reason:
            return reason
    refused = [name for name in _REFUSED_ANYWHERE if name in schema]
    if refused:
        return f"Schema keyword '{refused[0]}' is not supported"
    return next((reason for reason in map(_broken_in, _children(schema)) if reason), None)


def _broken_for(kind: str, schema: dict[str, Any]) -> str | None:
    if kind == "object" and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    refused = [name for name in _REFUSED.get(kind, ()) if name in schema]
    if refused:
        named = f"properties {', '.join(refused)} are" if len(refused) > 1 else f"property '{refused[0]}' is"
        return f"For '{kind}' type, {named} not supported"
    if kind == "array" and schema.get("minItems", 0) not in (0, 1):
        return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if kind == "string" and schema.get("format", "date") not in _FORMATS:
        return f"For 'string' type, format '{schema['format']}' is not supported"
    return None


def _children(schema: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in ("properties", "$defs", "definitions"):
        found.extend(schema.get(name, {}).values())
    for name in ("anyOf", "allOf"):
        found.extend(schema.get(name, []))
    if "items" in schema:
        found.append(schema["items"])
    return found


def _recursion(schema: dict[str, Any]) -> str | None:
    """Whether a definition can reach itself through references."""
    reaches: dict[str, set[str]] = {"#": _references(schema, into_definitions=False)}
    for home in ("$defs", "definitions"):
        for name, definition in schema.get(home, {}).items():
            reaches[f"#/{home}/{name}"] = _references(definition, into_definitions=True)
    for start, direct in reaches.items():
        seen: set[str] = set()
        queue = list(direct)
        while queue:
            reference = queue.pop()
            if reference == start:
                return f"Recursive schemas are not supported: {start}"
            if reference not in seen:
                seen.add(reference)
                queue.extend(reaches.get(reference, ()))
    return None


def _references(schema: Any, *, into_definitions: bool) -> set[str]:
    if isinstance(schema, list):
        return set().union(*(_references(item, into_definitions=into_definitions) for item in schema))
    if not isinstance(schema, dict):
        return set()
    found = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
    for name, child in schema.items():
        if into_definitions or name not in ("$defs", "definitions"):
            found |= _references(child, into_definitions=into_definitions)
    return found
