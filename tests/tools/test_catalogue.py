"""The tools that every agent may have: their names, and what they cost in each request."""

from __future__ import annotations

import json
from typing import get_args, get_type_hints

import pytest
from anthropic.types import WebFetchTool20250910Param, WebSearchTool20250305Param
from jsonschema import Draft202012Validator

from tenuto.activities.tools.catalogue import built_in_tools
from tenuto.activities.tools.server_tools import web_fetch, web_search


def test_names_are_those_of_rules_and_definitions() -> None:
    assert list(built_in_tools()) == ["Read", "Write", "Edit", "Glob", "Grep", "Bash"]
    assert all(name == tool.name == tool.definition["name"] for name, tool in built_in_tools().items())


@pytest.mark.parametrize("name", ["Read", "Write", "Edit", "Glob", "Grep"])
def test_definitions_are_short_closed_and_always_the_same_bytes(name: str) -> None:
    definition = built_in_tools()[name].definition
    assert json.dumps(definition) == json.dumps(built_in_tools()[name].definition)
    assert 80 < len(definition["description"]) <= 600
    schema = definition["input_schema"]
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= set(schema["properties"])


def test_server_tools_are_as_the_sdk_knows_them() -> None:
    search, fetch = web_search(), web_fetch(["b.org", "a.org", "b.org"])
    assert search == {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    assert fetch["allowed_domains"] == ["a.org", "b.org"]
    assert web_search(blocked=["x.org"])["blocked_domains"] == ["x.org"]
    assert "blocked_domains" not in web_search(["a.org"], ["x.org"])
    for definition, shape in ((search, WebSearchTool20250305Param), (fetch, WebFetchTool20250910Param)):
        hints = get_type_hints(shape, include_extras=False)
        assert set(definition) <= set(hints)
        assert definition["type"] in get_args(hints["type"]) and definition["name"] in get_args(hints["name"])
    with pytest.raises(ValueError, match="no domain"):
        web_search([])
