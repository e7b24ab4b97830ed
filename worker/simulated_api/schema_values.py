"""A value that satisfies a JSON Schema, chosen by a seed: what a simulated model answers with structured output.

Constraints that the API does not take in a schema stand in its descriptions, as the SDK's `transform_schema` writes
them (`{minimum: 1, maximum: 10}`); a model reads those, and so does this one.
"""

from __future__ import annotations

import math
import random
import re
from typing import Any

from .regex_values import text_matching
from .sample_texts import FORMATS, sample_text
from .structured_output import validator_of

ATTEMPTS_MAX = 20
DEPTH_MAX = 5
"""Beyond this depth only what is required is made, so that recursive schemas end."""
DEPTH_LIMIT = 40
ITEMS_MAX = 3
"""Most items in a list that does not ask for more."""

_STATED = re.compile(r"\b(minItems|maxItems|minLength|maxLength|minimum|maximum|multipleOf): (-?\d+(?:\.\d+)?)(?=[,}])")
_STATED_PATTERN = re.compile(r"\bpattern: (.*?)(?=, [a-zA-Z]+: |\}$)")
_TYPE_KEYWORDS = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


class NoValue(Exception):
    """No value was found for a schema: it contradicts itself, or needs more than this generator knows."""


def value_for(schema: dict[str, Any], *, seed: str, topic: str) -> Any:
    """A value that `jsonschema` accepts for `schema`; equal arguments give equal values.

    `topic` is what texts in it speak about.

    Raises:
        NoValue: none was found in `ATTEMPTS_MAX` attempts.
    """
    validator = validator_of(schema)
    reason = ""
    for attempt in range(ATTEMPTS_MAX):
        try:
            rng, wide, whole = random.Random(f"{seed}/{attempt}"), attempt % 2 == 0, attempt < ATTEMPTS_MAX // 2
            value = _Maker(schema, rng, topic, wide=wide, whole=whole).make(schema)
        except NoValue as error:
            reason = str(error)
            continue
        problem = next(iter(validator.iter_errors(value)), None)
        if problem is None:
            return value
        reason = problem.message
    raise NoValue(f"no value found for the schema: {reason}")


class _Maker:
    """One attempt. Not `wide`, it leaves out whatever is optional.

    With `whole` numbers are whole ones: they are counts, indices and ids more often than not. Shares are not.
    """

    def __init__(self, root: dict[str, Any], rng: random.Random, topic: str, *, wide: bool, whole: bool) -> None:
        self.root, self.rng, self.topic, self.wide, self.whole = root, rng, topic, wide, whole

    def make(self, schema: Any, name: str = "value", depth: int = 0) -> Any:
        if schema is False or depth > DEPTH_LIMIT:
            raise NoValue(f"nothing may stand at {name!r}")
        if schema is True:
            schema = {}
        schema = self._flat(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._one_of_enum(schema)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._one_of(schema, keyword, name, depth)
        kind = self._type(schema, depth)
        makers = {"object": self._object, "array": self._array, "string": self._string}
        if kind in makers:
            return makers[kind](schema, name, depth)
        if kind == "boolean":
            return self.rng.random() < 0.5
        return None if kind == "null" else self._number(schema, name, whole=kind == "integer")

    def _flat(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with references and `allOf` merged in, and what its description states about limits."""
        flat = schema
        for _ in range(DEPTH_LIMIT):
            if "$ref" in flat:
                rest = {key: value for key, value in flat.items() if key != "$ref"}
                flat = _merged(self._resolve(flat["$ref"]), rest)
            elif "allOf" in flat:
                parts = flat["allOf"]
                flat = {key: value for key, value in flat.items() if key != "allOf"}
                for part in parts:
                    flat = _merged(flat, part if isinstance(part, dict) else {})
            else:
                return _stated(flat)
        raise NoValue("references that never end")

    def _resolve(self, reference: str) -> dict[str, Any]:
        node: Any = self.root
        try:
            for part in reference.removeprefix("#").strip("/").split("/"):
                if part:
                    key = part.replace("~1", "/").replace("~0", "~")
                    node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, ValueError) as error:
            raise NoValue(f"unresolvable reference {reference}") from error
        return node if isinstance(node, dict) else {}

    def _one_of_enum(self, schema: dict[str, Any]) -> Any:
        rest = validator_of({key: value for key, value in schema.items() if key not in ("enum", "anyOf", "oneOf")})
        fitting = [value for value in schema["enum"] if next(iter(rest.iter_errors(value)), None) is None]
        return self.rng.choice(fitting or schema["enum"])

    def _one_of(self, schema: dict[str, Any], keyword: str, name: str, depth: int) -> Any:
        base = {key: value for key, value in schema.items() if key != keyword}
        choices = [choice if isinstance(choice, dict) else {} for choice in schema[keyword] if choice is not False]
        if depth >= DEPTH_MAX:
            choices.sort(key=lambda choice: choice.get("type") not in ("null", "string", "boolean", "integer"))
        else:
            self.rng.shuffle(choices)
            choices.sort(key=lambda choice: choice.get("type") == "null")
        for choice in choices:
            try:
                return self.make(_merged(base, choice), name, depth + 1)
            except NoValue:
                continue
        raise NoValue(f"no branch of {keyword} at {name!r} can be met")

    def _type(self, schema: dict[str, Any], depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            if depth >= DEPTH_MAX and "null" in kinds:
                return "null"
            return str(self.rng.choice([kind for kind in kinds if kind != "null"] or ["null"]))
        if kinds:
            return str(kinds)
        return next((kind for kind, words in _TYPE_KEYWORDS.items() if any(word in schema for word in words)), "string")

    def _object(self, schema: dict[str, Any], _name: str, depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        more = schema.get("additionalProperties", True)
        found: dict[str, Any] = {}
        for key, child in properties.items():
            if key in required or (self.wide and depth < DEPTH_MAX and child is not False):
                try:
                    found[key] = self.make(child, key, depth + 1)
                except NoValue:
                    if key in required:
                        raise
        for key in required:
            if key not in found:
                found[key] = self.make(more, key, depth + 1)
        number, least = 1, schema.get("minProperties", 0)
        if isinstance(more, dict) and not properties and self.wide and depth < DEPTH_MAX:
            least = max(least, min(2, schema.get("maxProperties", 2)))  # a map of things by their names
        while len(found) < least:
            found.setdefault(f"key{number}", self.make(more, f"key{number}", depth + 1))
            number += 1
        return found

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = max(schema.get("minItems", 0), len(first) if schema.get("items") is not False else 0)
        most = schema.get("maxItems", max(least, ITEMS_MAX))
        usual = least if depth >= DEPTH_MAX or not self.wide else max(least, 1)
        count = min(self.rng.randint(usual, max(usual, min(most, least + ITEMS_MAX))), most)
        one = name[:-1] if name.endswith("s") else name
        found: list[Any] = []
        for index in range(count):
            child = first[index] if index < len(first) else schema.get("items", True)
            found.append(
                self._fresh(child, one, depth, found) if schema.get("uniqueItems") else self.make(child, one, depth + 1)
            )
        if isinstance(schema.get("contains"), dict):
            found = [self.make(schema["contains"], one, depth + 1), *found[1:]]
        distinct = [item for index, item in enumerate(found) if item not in found[:index]]
        return distinct if schema.get("uniqueItems") else found

    def _fresh(self, schema: Any, name: str, depth: int, seen: list[Any]) -> Any:
        made = self.make(schema, name, depth + 1)
        for number in range(1, ATTEMPTS_MAX):
            if made not in seen:
                break
            made = self.make(schema, f"{name} {number + 1}", depth + 1)
        return made

    def _string(self, schema: dict[str, Any], name: str, _depth: int) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if schema.get("pattern"):
            return text_matching(schema["pattern"], self.rng, least, most)
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]](self.rng)
        text = sample_text(name, self.topic, self.rng)
        while len(text) < least:
            text += f" {self.topic}"
        return text if most is None else text[:most].rstrip() or text[:most]

    def _number(self, schema: dict[str, Any], name: str, *, whole: bool) -> int | float:
        share = re.search("score|confidence|probab|ratio", name, re.I)
        whole = whole or (self.whole and not (share or "multipleOf" in schema or self._fine(schema)))
        step = schema.get("multipleOf") or (1 if whole else None)
        aside = step or 0  # how far an exclusive bound is from the nearest value
        lows = [schema[key] + extra for key, extra in (("minimum", 0), ("exclusiveMinimum", aside)) if key in schema]
        highs = [schema[key] - extra for key, extra in (("maximum", 0), ("exclusiveMaximum", aside)) if key in schema]
        high = min(highs, default=None)
        low = max(lows, default=0 if high is None or high >= 0 else high - 100)
        if high is None:
            high = low + (1 if share and not whole else 100)
        if step is None:
            value = low + (high - low) * self.rng.randint(1, 999) / 1000
            return round(value, 2) if low < round(value, 2) < high else value
        smallest, largest = math.ceil(low / step), math.floor(high / step)
        if smallest > largest:
            raise NoValue(f"no multiple of {step} from {low} to {high}")
        stepped = self.rng.randint(smallest, largest) * step
        return int(stepped) if whole else round(stepped, 9)

    @staticmethod
    def _fine(schema: dict[str, Any]) -> bool:
        """Whether its bounds are fractions, or as near to each other as those of a share."""
        highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
        lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
        near = bool(highs) and 0 <= min(highs) - max(lows, default=0) <= 1
        return near or any(bound != int(bound) for bound in highs + lows)


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    for key in ("properties", "$defs"):
        if key in one and key in other:
            merged[key] = {**one[key], **other[key]}
    if "required" in one and "required" in other:
        merged["required"] = [*one["required"], *(name for name in other["required"] if name not in one["required"])]
    for key, pick in (
        ("minimum", max),
        ("minLength", max),
        ("minItems", max),
        ("maximum", min),
        ("maxLength", min),
        ("maxItems", min),
    ):
        if key in one and key in other:
            merged[key] = pick(one[key], other[key])
    return merged


def _stated(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the constraints that its description states."""
    description = schema.get("description")
    if not isinstance(description, str) or not description.endswith("}"):
        return schema
    block = description[description.rindex("\n\n{") + 2 :] if "\n\n{" in description else description
    if not block.startswith("{"):
        return schema
    found: dict[str, Any] = {}
    for key, number in _STATED.findall(block):
        found[key] = float(number) if "." in number else int(number)
    pattern = _STATED_PATTERN.search(block)
    if pattern:
        found["pattern"] = pattern[1]
    return {**found, **schema}
