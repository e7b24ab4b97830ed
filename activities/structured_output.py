"""Structured output: from the script's JSON Schema to a request, and from an answer to a value that satisfies it.

The API decodes under a part of JSON Schema only (structured outputs documentation). So a schema is sent as it is, with
objects closed; if the API refuses it, as the SDK's `transform_schema` makes it, if that keeps its meaning; else it is
an instruction in `system`. Whichever way, the answer is held against the schema as the script gave it.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import Any

import referencing
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from .output_schema import nodes, ways_to_send, without_foreign_patterns
from .placeholders import words_of

FORMS_MAX = 1000
ERRORS_SHOWN_MAX = 10
ERROR_CHARS = 300
_NO_FORMATS = FormatChecker(())
"""Else a JavaScript regular expression that Python does not know makes a schema unusable."""
INSTRUCTION = (
    "Answer with one JSON object that satisfies the following JSON Schema, and with nothing else: no prose, no code "
    "fence.\n<json_schema>\n{schema}\n</json_schema>"
)


class UnusableSchema(Exception):
    """The script's schema cannot be used at all."""


class WrongAnswer(Exception):
    """An answer does not satisfy the schema. The message lists what is wrong, for the model."""


class OutputForm:
    """One schema in use. Which way it is sent is learnt from refusals, and then holds for every agent with it."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Check a schema.

        Raises:
            UnusableSchema: its root is no object, it is no JSON Schema, or it refers to something it does not contain.
        """
        self._check(schema)
        self._schema = schema
        self._validator = _validator(without_foreign_patterns(schema))
        self._ways = ways_to_send(schema)
        self.words = words_of(schema)
        """Texts that the schema itself names as answers."""

    @property
    def sent(self) -> dict[str, Any] | None:
        """The schema for `output_config.format`; `None` when the instruction takes its place."""
        return self._ways[0] if self._ways else None

    @property
    def instruction(self) -> str | None:
        """What goes into `system`, when the API cannot hold the model to this schema."""
        if self.sent is not None:
            return None
        return INSTRUCTION.format(schema=json.dumps(self._schema, ensure_ascii=False))

    def refused(self, sent: Any) -> bool:
        """Take the next way after the API refused `sent`. False when there is none, and the refusal stands."""
        if sent is None:
            return False
        # A sibling may have been refused with the same schema in the meantime, and have moved on already.
        if sent == self.sent:
            self._ways = self._ways[1:]
        return True

    def read(self, text: str, *, instructed: bool = False) -> Any:
        """The value in an answer. An answer to an instruction may come in a code fence.

        Raises:
            WrongAnswer: it is not JSON, or does not satisfy the script's schema.
        """
        body = _unfenced(text) if instructed else text
        try:
            value = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise WrongAnswer(f"- the answer is not a JSON document: {error}") from error
        if "\\ud" in body.lower():
            # Half of a surrogate pair may be written in JSON, yet is no text that can be stored.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        errors = sorted(self._validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
        if errors:
            raise WrongAnswer("\n".join(_line(error) for error in errors[:ERRORS_SHOWN_MAX]))
        return value

    @staticmethod
    def _check(schema: dict[str, Any]) -> None:
        if schema.get("type", "object" if "properties" in schema else None) != "object":
            raise UnusableSchema(f"the root of a schema must be an object schema; its type is {schema.get('type')!r}")
        try:
            kind: Any = validator_for(schema, default=Draft202012Validator)
            kind.check_schema(schema, format_checker=_NO_FORMATS)
        except SchemaError as error:
            raise UnusableSchema(f"not a JSON Schema: {error.message} at {error.json_path}") from error
        resolver = referencing.Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
        for node in nodes(schema):
            reference = node.get("$ref")
            try:
                if reference is not None:
                    resolver.lookup(reference)
            except Unresolvable as error:
                raise UnusableSchema(f"the schema refers to {reference!r}, which it does not contain") from error


class OutputForms:
    """Forms by schema, so that checking and learning happen once a process."""

    def __init__(self) -> None:
        self._forms: OrderedDict[str, OutputForm] = OrderedDict()

    def of(self, schema: dict[str, Any]) -> OutputForm:
        """The form of a schema. Raises as `OutputForm` does."""
        key = json.dumps(schema, sort_keys=True)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = OutputForm(schema)
            if len(self._forms) > FORMS_MAX:
                self._forms.popitem(last=False)
        return form


def _line(error: ValidationError) -> str:
    return f"- {error.json_path}: {error.message[:ERROR_CHARS]}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


def _unfenced(text: str) -> str:
    fenced = _FENCE.fullmatch(text)
    return fenced[1] if fenced else text


def _validator(schema: dict[str, Any]) -> Validator:
    # With a registry of its own the validator never fetches a reference over the network.
    kind = validator_for(schema, default=Draft202012Validator)
    return kind(schema, registry=referencing.Registry())
