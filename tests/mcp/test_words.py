"""Names, schemas and results: what models see of a server."""

import json
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tenuto.activities.mcp.names import tool_name, tool_names
from tenuto.activities.mcp.pinning import unpinned
from tenuto.activities.mcp.results import for_model, for_script
from tenuto.activities.mcp.schemas import acceptable

from .conftest import Bench, stdio


def test_names_are_those_of_permission_rules() -> None:
    assert tool_name("github", "create_issue") == "mcp__github__create_issue"
    assert tool_name("claude.ai Linear", "list issues") == "mcp__claude_ai_Linear__list_issues"


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=12))
def test_every_tool_has_a_name_of_its_own_that_the_api_takes(tools: list[tuple[str, str]]) -> None:
    names = tool_names(tools)
    assert len(set(names.values())) == len(set(tools))
    assert all(0 < len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in names.values())
    assert all(name.isascii() for name in names.values())
    assert tool_names(reversed(tools)) == names


def test_of_two_tools_with_one_name_the_one_written_so_keeps_it() -> None:
    names = tool_names([("a.b", "t"), ("a_b", "t")])
    assert names["a_b", "t"] == "mcp__a_b__t"
    assert names["a.b", "t"].startswith("mcp__a_b__t_")


def test_a_schema_that_is_right_stays_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert acceptable(schema) == schema


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "string"}, {"type": "object", "properties": {}}),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, {"type": "object", "properties": {}}),
        (
            {"properties": {"n": {"minimum": 0, "exclusiveMinimum": True}}},
            {"type": "object", "properties": {"n": {"exclusiveMinimum": 0}}},
        ),
        (
            {"properties": {"p": {"type": "array", "items": [{"type": "string"}], "additionalItems": False}}},
            {
                "type": "object",
                "properties": {"p": {"type": "array", "prefixItems": [{"type": "string"}], "items": False}},
            },
        ),
        (
            {"properties": {"a": {"type": "any", "description": "what"}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"description": "what"}}, "required": ["a"]},
        ),
        (
            {"properties": {"a": {"$ref": "https://example.com/a.json"}}},
            {"type": "object", "properties": {"a": {}}},
        ),
        ({"properties": {"a b": {}, "c": {}}}, {"type": "object", "properties": {"c": {}}}),
        (
            {"oneOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": []},
        ),
        (
            {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]},
        ),
    ],
)
def test_a_schema_is_made_acceptable(schema: Any, made: dict[str, Any]) -> None:
    assert acceptable(schema) == made


def test_a_required_property_that_the_api_cannot_name_is_no_tool() -> None:
    assert acceptable({"properties": {"a b": {}}, "required": ["a b"]}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "anyOf", "allOf", "items", "a", "enum", "$ref"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_a_server_sends_the_api_gets_a_schema(schema: Any) -> None:
    made = acceptable(schema)
    if made is not None:
        Draft202012Validator.check_schema(made)
        assert made["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf"} & made.keys()


async def test_a_definition_is_the_same_bytes_each_time(bench: Bench) -> None:
    bench.add("s", stdio())
    first = [tool.definition for tool in await bench.servers.tools_for(bench.setup)]
    assert json.dumps(first) == json.dumps([tool.definition for tool in await bench.servers.tools_for(bench.setup)])
    assert [each["name"] for each in first] == sorted(each["name"] for each in first)
    echo = next(each for each in first if each["name"] == "mcp__s__echo")
    assert echo == {
        "name": "mcp__s__echo",
        "description": "Says it again.",
        "input_schema": {"type": "object", "properties": {}},
    }


async def test_only_what_may_be_repeated_is_run_again_after_a_loss(bench: Bench) -> None:
    bench.add("s", stdio())
    assert (await bench.tool("mcp__s__echo")).after_loss == "again"
    assert (await bench.tool("mcp__s__write")).after_loss == "unknown"


async def test_a_server_that_cannot_be_used_is_a_notice_and_no_tools(bench: Bench) -> None:
    bench.add("good", stdio())
    bench.add("gone", {"command": "tenuto-no-such-program"})
    tools = await bench.servers.tools_for(bench.setup, ["good", "gone", "unknown"], notice=bench.notices.append)
    assert {tool.server for tool in tools} == {"good"}
    assert len(bench.notices) == 1
    assert bench.notices[0].startswith("no tools from mcp__gone: the MCP server 'gone' cannot be started")


async def test_an_error_result_is_an_error_to_the_model(bench: Bench) -> None:
    bench.add("s", stdio())
    result = await bench.run("mcp__s__fail")
    assert (result.content, result.is_error) == ("no such row", True)


async def test_a_large_result_is_cut_and_kept_whole(bench: Bench) -> None:
    bench.add("s", stdio())
    result = await bench.run("mcp__s__big", bytes=20_000_000)
    text = "".join(block["text"] for block in result.content)
    assert len(text.encode()) <= 100 * 1024
    assert "of 20000000 bytes are left out here" in text
    assert not result.is_error
    assert result.log == "runs/run/agents/a1/logs/toolu_1.txt"
    assert len(await bench.store.get(result.log)) == 20_000_000


async def test_many_small_blocks_are_bounded_too() -> None:
    content = [{"type": "text", "text": f"line {number}"} for number in range(5000)]
    result = types.CallToolResult.model_validate({"content": content})
    kept: dict[str, bytes] = {}

    class Kept:
        async def put(self, key: str, data: bytes) -> None:
            kept[key] = data

    store: Any = Kept()
    made, log = await for_model(result, str, store, "f", "i")
    assert len(made) <= 100
    assert log == "f/logs/i.txt"
    assert kept[log].count(b"\n") == 4999


async def test_a_small_result_has_no_log(bench: Bench) -> None:
    bench.add("s", stdio())
    result = await bench.run("mcp__s__echo", text="hé")
    assert result.content == [{"type": "text", "text": '{"text": "h\\u00e9"}'}]
    assert result.log is None


async def test_every_kind_of_content_has_words_for_a_model(bench: Bench) -> None:
    content = [
        {"type": "image", "mimeType": "image/png", "data": "aGk="},
        {"type": "image", "mimeType": "image/tiff", "data": "aGk="},
        {"type": "image", "mimeType": "image/png", "data": "A" * 6_000_000},
        {"type": "audio", "mimeType": "audio/wav", "data": "aGk="},
        {"type": "resource_link", "uri": "file:///a.txt", "name": "a", "description": "the file"},
        {"type": "resource", "resource": {"uri": "file:///b", "text": "inside"}},
        {"type": "resource", "resource": {"uri": "file:///c", "blob": "aGk="}},
    ]
    result = types.CallToolResult.model_validate({"content": content})
    made, log = await for_model(result, str, bench.store, "f", "weird/id")
    assert made[0] == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    assert [block["text"] for block in made[1:]] == [
        "[an image of type image/tiff, which cannot be shown]",
        "[an image of 4500000 bytes, too much to be shown]",
        "[audio of type audio/wav, 3 bytes, which cannot be heard]",
        "[resource: file:///a.txt, a, the file]",
        "[resource: file:///b]\ninside",
        "[resource: file:///c, binary, 3 bytes]",
    ]
    assert log is not None
    assert log.startswith("f/logs/")
    assert log.count("/") == 2
    assert log.endswith(".json")
    assert isinstance(for_script(result, str), list)


async def test_structured_content_alone_is_shown_and_nothing_is_said_to_be_nothing(bench: Bench) -> None:
    result = types.CallToolResult.model_validate({"content": [], "structuredContent": {"a": 1}})
    assert (await for_model(result, str, bench.store, "f", "i"))[0] == [{"type": "text", "text": '{"a":1}'}]
    nothing = types.CallToolResult.model_validate({"content": []})
    assert (await for_model(nothing, str, bench.store, "f", "i"))[0] == [
        {"type": "text", "text": "(the tool returned nothing)"}
    ]


@pytest.mark.parametrize(
    ("words", "package"),
    [
        ("npx -y @scope/server", "@scope/server"),
        ("npx -y @scope/server@latest", "@scope/server@latest"),
        ("npx -y @scope/server@1", "@scope/server@1"),
        ("npx -y @scope/server@1.2.3 --flag", None),
        ("/usr/bin/npx -y server@1.2.3-beta.1", None),
        ("npx -y --package=server cmd", "server"),
        ("npx -p server@1.0.0 cmd", None),
        ("npm exec -- server", "server"),
        ("pnpm dlx server", "server"),
        ("uvx mcp-server-git", "mcp-server-git"),
        ("uvx mcp-server-git@2025.1.14", None),
        ("uvx mcp-server-git@latest", "mcp-server-git@latest"),
        ("uvx --python 3.12 mcp-server-git==2025.1.14 --repo .", None),
        ("uvx --from mcp-server-git>=1 git", "mcp-server-git>=1"),
        ("uvx --from mcp-server-git==1.0 git", None),
        ("uv tool run server", "server"),
        ("uv run server.py", None),
        ("pipx run server==1.0", None),
        ("docker run -i --rm -e TOKEN mcp/github", "mcp/github"),
        ("docker run -i --rm -e TOKEN mcp/github:latest", "mcp/github:latest"),
        ("docker run -i --rm -e TOKEN mcp/github:1.2", None),
        ("npx ./local", None),
        ("python -m mcp_server_time", None),
        ("npx", None),
    ],
)
def test_a_package_without_an_exact_version_is_seen(words: str, package: str | None) -> None:
    command, *args = words.split()
    assert unpinned(command, args) == package
