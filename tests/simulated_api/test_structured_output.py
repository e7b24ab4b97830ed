"""Values that simulated answers take from the schema they were sent."""

from __future__ import annotations

import json
import random
import re
from typing import Any, Literal

import pytest
from anthropic import AsyncAnthropic, transform_schema
from anthropic.types import TextBlock
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from tenuto.worker.simulated_api.regex_values import text_matching
from tenuto.worker.simulated_api.schema_values import NoValue, value_for

from .conftest import MODEL, Ask

NODE = {"type": "object", "required": ["children"], "properties": {"children": {"$ref": "#/$defs/Nodes"}}}
TREE = {
    "$defs": {"Node": NODE, "Nodes": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
    "$ref": "#/$defs/Node",
}

SCHEMAS: list[dict[str, Any]] = [
    {"type": "string", "minLength": 300, "maxLength": 310},
    {"type": "string", "maxLength": 3},
    {"type": "string", "pattern": "^[A-Z]{2,4}-\\d+$"},
    {"type": "string", "pattern": "^\\S+\\.(py|ts)(:\\d+)?$"},
    {"type": "string", "pattern": "^[0-9a-f]{40}$", "minLength": 40, "maxLength": 40},
    {"type": "string", "pattern": "^[a-z]+$", "minLength": 50},
    {"type": "string", "pattern": "[^/]+/[^/]+"},
    {"type": "integer", "minimum": 7, "maximum": 7},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "integer", "multipleOf": 5, "minimum": 11},
    {"type": "integer", "maximum": -3},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "minimum": 0.5, "maximum": 0.5},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"type": ["null", "integer"], "minimum": 3},
    {"enum": ["low", 2, None]},
    {"type": "integer", "enum": ["a", "b", 3]},
    {"const": {"a": [1]}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "string"}, "minItems": 6, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "array", "maxItems": 0},
    {"type": "array", "contains": {"const": 5}, "items": {"type": "integer"}, "minItems": 2},
    {"type": "object", "required": ["undeclared"]},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    {"type": "object", "properties": {"never": False}, "additionalProperties": False},
    {"anyOf": [{"type": "integer", "minimum": 5}, {"type": "null"}]},
    {"anyOf": [False, {"type": "string"}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]},
    {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 4}, {"maximum": 9}]},
    {"$defs": {"S": {"enum": ["x"]}}, "type": "object", "properties": {"s": {"$ref": "#/$defs/S"}}, "required": ["s"]},
    TREE,
    {"properties": {"implied": {"items": {"minimum": 3, "maximum": 4}}}, "required": ["implied"]},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_a_value_satisfies_its_schema_whatever_the_seed(schema: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema)
    for seed in range(25):
        value = value_for(schema, seed=str(seed), topic="the topic")
        validator.validate(value)
        assert value == value_for(schema, seed=str(seed), topic="the topic")


def test_javascripts_named_groups_are_understood_and_what_python_cannot_read_is_left_out() -> None:
    named = value_for({"type": "string", "pattern": "^(?<year>\\d{4})-(0[1-9]|1[0-2])$"}, seed="1", topic="t")
    assert re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", named)
    assert isinstance(value_for({"type": "string", "pattern": "^\\p{L}+$"}, seed="1", topic="t"), str)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "object", "required": ["a"], "properties": {"a": False}},
        {"$ref": "#/$defs/None"},
        {"allOf": [{"type": "string"}, {"type": "integer"}], "const": 1.5},
    ],
)
def test_a_schema_without_a_value_is_reported(schema: dict[str, Any]) -> None:
    with pytest.raises(NoValue):
        value_for(schema, seed="1", topic="t")


@pytest.mark.parametrize("form", ["date-time", "date", "time", "email", "uri", "ipv4", "ipv6", "uuid"])
def test_formats_are_kept(form: str) -> None:
    for seed in range(20):
        value = value_for({"type": "string", "format": form}, seed=str(seed), topic="t")
        Draft202012Validator({"format": form}, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


@given(st.integers(), st.sampled_from(["a{2,5}b?", "(foo|bar)+", "\\w+@\\w+\\.com", "[^a-z]x", "(a)(b)?\\1", ".{3}$"]))
def test_a_text_of_a_regular_expression_matches_it(seed: int, pattern: str) -> None:
    assert re.search(pattern, text_matching(pattern, random.Random(seed)))


def test_texts_are_marked_as_simulated_and_paths_come_from_the_prompt() -> None:
    schema = {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "filePath": {"type": "string"}},
        "required": ["reason", "filePath"],
    }
    value = value_for(schema, seed="1", topic="look at src/app/main.py now")
    assert value["reason"].startswith("[simulated] reason for look at")
    assert value["filePath"] == "src/app/main.py"


class Finding(BaseModel):
    file: str
    line: int
    severity: Literal["low", "high"]
    note: str | None


class Report(BaseModel):
    findings: list[Finding]
    summary: str


async def test_the_clients_parse_reads_a_pydantic_model(client: AsyncAnthropic) -> None:
    message = await client.messages.parse(
        model=MODEL, max_tokens=4096, messages=[{"role": "user", "content": "Audit a.py"}], output_format=Report
    )
    report = message.parsed_output
    assert isinstance(report, Report)
    assert report.findings


async def test_constraints_that_the_sdk_moves_into_descriptions_are_followed(ask: Ask) -> None:
    """Else a rehearsal of a script whose schema has lengths or ranges would never end."""
    schema = {
        "type": "object",
        "required": ["items", "score", "code"],
        "properties": {
            "items": {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 4, "maxItems": 5},
            "score": {"type": "integer", "minimum": 41, "maximum": 42, "description": "How sure"},
            "code": {"type": "string", "pattern": "^[A-Z]{3}, \\d$"},
        },
    }
    sent = transform_schema(schema)
    assert "minItems" not in sent["properties"]["items"]
    for n in range(10):
        message = await ask(f"p{n}", output_config={"format": {"type": "json_schema", "schema": sent}})
        (block,) = message.content
        assert isinstance(block, TextBlock)
        Draft202012Validator(schema).validate(json.loads(block.text))


async def test_streamed_json_is_the_same_value(ask: Ask) -> None:
    form = {"format": {"type": "json_schema", "schema": transform_schema(Report)}}
    whole, streamed = await ask(output_config=form), await ask(output_config=form, stream=True)
    assert [b.text for b in whole.content if b.type == "text"] == [b.text for b in streamed.content if b.type == "text"]


@pytest.mark.parametrize(
    ("name", "bounds", "whole"),
    [
        ("prNumber", {}, True),
        ("count", {"minimum": 0}, True),
        ("index", {"minimum": 0, "maximum": 3}, True),
        ("confidence", {}, False),
        ("weight", {"minimum": 0, "maximum": 1}, False),
        ("price", {"multipleOf": 0.25}, False),
    ],
)
def test_a_number_is_a_whole_one_unless_it_is_a_share(name: str, bounds: dict[str, float], whole: bool) -> None:
    schema = {"type": "object", "required": [name], "properties": {name: {"type": "number", **bounds}}}
    values = [value_for(schema, seed=str(seed), topic="x")[name] for seed in range(20)]
    assert all(isinstance(value, int) for value in values) is whole


@pytest.mark.parametrize(("bounds", "count"), [({}, 2), ({"maxProperties": 1}, 1), ({"maxProperties": 0}, 0)])
def test_a_map_is_not_empty_where_it_may_hold_something(bounds: dict[str, int], count: int) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}, **bounds}
    assert len(value_for(schema, seed="x", topic="x")) == count
