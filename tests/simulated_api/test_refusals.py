"""Requests that the API refuses, as the exceptions of the real client."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic import APIStatusError, AsyncAnthropic
from httpx2 import AsyncClient

from tenuto.worker.simulated_api import SimulatedApi

from .conftest import MODEL, Ask

USER = {"role": "user", "content": "hello"}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_2", "content": "x"}]}
LOOK = {"name": "look", "input_schema": {"type": "object"}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
CITED = {"type": "text", "text": "t", "citations": [{"type": "char_location"}]}
MARK = {"type": "ephemeral"}
MARKED = [{"type": "text", "text": "t", "cache_control": MARK}] * 5
BODY: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": [USER]}
OPEN = {"type": "object", "properties": {}}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def output(schema: Any) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"max_tokens": 10**6}, "max_tokens: 1000000 > 128000, which is the maximum allowed number of output tokens"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"messages": []}, "messages: at least one message is required"),
        (
            {"messages": [{"role": "assistant", "content": "hi"}, USER]},
            "messages: first message must use the user role",
        ),
        ({"messages": [USER, {"role": "assistant", "content": "hi"}]}, "does not support assistant message prefill"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, 'Unexpected role "robot"'),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0: user messages must have non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "must be non-empty"),
        ({"messages": [USER, CALL, USER]}, "`tool_use` ids were found without `tool_result` blocks immediately after"),
        ({"messages": [USER, CALL, RESULT]}, "without `tool_result` blocks immediately after: toolu_1"),
        ({"messages": [RESULT]}, "unexpected `tool_use_id` found in `tool_result` blocks: toolu_2"),
        ({"wrong": 1}, "wrong: Extra inputs are not permitted"),
        ({"system": 3}, "system: Input should be a valid string or list"),
        ({"tools": [{"name": "look"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "String should match pattern"),
        ({"tools": [LOOK, LOOK]}, "tools: Tool names must be unique."),
        ({"tools": [{**LOOK, "input_schema": {"type": "string"}}]}, "input_schema.type: Input should be 'object'"),
        ({"tools": [{**LOOK, "strict": True}]}, "'additionalProperties' must be explicitly set to false"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "hear"}}, "Tool 'hear' not found in provided tools"),
        ({"tool_choice": {"type": "any"}}, "may only be specified while providing tools"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type: Input should be 'json_schema'"),
        (output({"type": "nothing"}), "JSON schema is invalid"),
        (output(OPEN), "For 'object' type, 'additionalProperties' must be explicitly set to false"),
        (output(closed(a={"type": "integer", "minimum": 1, "maximum": 2})), "minimum, maximum are not supported"),
        (output(closed(a={"type": "array", "minItems": 2})), "'minItems' values other than 0 or 1"),
        (output(closed(a={"type": ["string", "null"], "maxLength": 2})), "property 'maxLength' is not supported"),
        (output({**closed(a={"$ref": "#/$defs/A"}), "$defs": {"A": closed(b={"$ref": "#/$defs/A"})}}), "Recursive"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, '"thinking.type.enabled" is not supported'),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}, "model": "claude-opus-4-5"}, "or equal to 1024"),
        ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        (
            {"messages": [USER, {"role": "assistant", "content": [DOCUMENT]}, USER]},
            "`document` blocks are not permitted",
        ),
        ({"messages": [{"role": "user", "content": [CITED]}]}, "citations: Extra inputs are not permitted"),
        ({"system": MARKED}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ({"cache_control": {"type": "ephemeral", "ttl": "2d"}}, "cache_control.ttl: Input should be '5m' or '1h'"),
    ],
)
async def test_an_invalid_request_is_a_400_that_names_the_place(
    client: AsyncAnthropic, change: dict[str, Any], message: str
) -> None:
    body = {key: value for key, value in {**BODY, **change}.items() if value is not None}
    with pytest.raises(anthropic.BadRequestError) as caught:
        await client.post("/v1/messages", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"
    assert message in str(caught.value.api_message)
    assert str(caught.value.request_id).startswith("req_")


async def test_consecutive_messages_of_one_role_are_one_turn(ask: Ask) -> None:
    assert (await ask(messages=[USER, USER])).stop_reason == "end_turn"


async def test_an_unknown_model_is_a_404(ask: Ask) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: claude-none-9") as caught:
        await ask(model="claude-none-9")
    assert caught.value.type == "not_found_error"


async def test_an_alias_is_no_model_id(ask: Ask) -> None:
    with pytest.raises(anthropic.NotFoundError, match="the newest sonnet is claude-sonnet-5-5"):
        await ask(model="sonnet")


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'"text"', b"\xff", b"[" * 100_000])
async def test_what_is_not_a_json_object_is_a_400(api: SimulatedApi, raw: bytes) -> None:
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    async with AsyncClient() as http:
        response = await http.post(f"{api.url}/v1/messages", content=raw, headers=headers)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert response.json()["request_id"] == response.headers["request-id"]


async def test_a_body_over_32_mib_is_a_413(ask: Ask) -> None:
    with pytest.raises(anthropic.ContentTooLargeError) as caught:
        await ask("x" * (33 * 1024 * 1024))
    assert caught.value.body["error"]["type"] == "request_too_large"  # type: ignore[index]


async def test_only_accepted_credentials_are_let_in_either_way(api: SimulatedApi) -> None:
    api.control(api_keys=["key-one"])
    given: dict[str, Any] = {**BODY}
    async with AsyncAnthropic(base_url=api.url, api_key="key-two", max_retries=0) as wrong:
        with pytest.raises(anthropic.AuthenticationError, match="Invalid authentication credentials"):
            await wrong.messages.create(**given)
        with pytest.raises(anthropic.AuthenticationError):
            await wrong.models.list()
    async with AsyncAnthropic(base_url=api.url, api_key=None, auth_token="key-one", max_retries=0) as bearer:
        assert (await bearer.messages.create(**given)).stop_reason == "end_turn"
    assert [record["status"] for record in api.requests()] == [401, 200]


async def test_no_credential_is_a_401(api: SimulatedApi) -> None:
    async with AsyncClient() as http:
        response = await http.post(f"{api.url}/v1/messages", json=BODY)
        listing = await http.get(f"{api.url}/v1/models")
    for refused in (response, listing):
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")


async def test_the_older_api_version_still_takes_sampling_parameters_and_an_unknown_one_is_refused(
    api: SimulatedApi,
) -> None:
    answers = []
    async with AsyncClient() as http:
        for version in ("2023-06-01", "2026-10-21", "2099-01-01"):
            headers = {"x-api-key": "k", "anthropic-version": version}
            answers.append(await http.post(f"{api.url}/v1/messages", json={**BODY, "top_p": 1}, headers=headers))
    assert [answer.status_code for answer in answers] == [200, 400, 400]
    assert "anthropic-version" in answers[2].json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", "/_control", 405)])
async def test_an_unknown_route_is_an_error_in_the_apis_shape(
    api: SimulatedApi, method: str, path: str, status: int
) -> None:
    async with AsyncClient() as http:
        response = await http.request(method, api.url + path)
    assert response.status_code == status
    assert response.json()["type"] == "error"


async def test_schema_limits_can_be_lifted(api: SimulatedApi, ask: Ask) -> None:
    with pytest.raises(APIStatusError):
        await ask(**output(OPEN))
    api.control(strict_schemas=False)
    assert (await ask(**output(OPEN))).stop_reason == "end_turn"
