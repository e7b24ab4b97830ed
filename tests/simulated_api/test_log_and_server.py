"""The request log, the token totals, and the ways to run the server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic

from tenuto.worker.simulated_api import SimulatedApi
from tenuto.worker.simulated_api.simulation import key_hash

from .conftest import MODEL, Ask

GIVEN: dict[str, Any] = {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "Count me"}]}


async def test_a_record_says_who_asked_what_and_what_it_cost(api: SimulatedApi, client: AsyncAnthropic) -> None:
    answer = await client.messages.create(**GIVEN, extra_headers={"idempotency-key": "agent-1/turn-1"})
    (record,) = api.requests()
    assert record["received"] <= record["finished"]
    assert (record["status"], record["outcome"], record["stop_reason"]) == (200, "completed", "end_turn")
    assert (record["model"], record["prompt"], record["turn"]) == (MODEL, "Count me", 1)
    assert record["key"] == key_hash("key-one") != "key-one"
    assert record["headers"]["idempotency-key"] == "agent-1/turn-1"
    assert record["usage"]["output_tokens"] == answer.usage.output_tokens
    assert record["id"] == answer._request_id


async def test_token_totals_equal_what_the_clients_were_told(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"match": {"prompt_contains": "cut"}, "fault": {"cut_after_events": 3}}])
    shared = [{"type": "text", "text": "s" * 8000, "cache_control": {"type": "ephemeral"}}]
    told = [(await ask(f"q{n}", system=shared, stream=bool(n % 2))).usage for n in range(4)]
    with pytest.raises((httpx2.RemoteProtocolError, anthropic.APIConnectionError)):
        await ask("cut", stream=True)
    completed = api.usage()["completed"]
    assert completed["requests"] == 4
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert completed[name] == sum(getattr(usage, name) for usage in told)
    assert completed["cache_read_input_tokens"] == 3 * 2000
    assert api.usage()["unfinished"]["requests"] == 1
    assert api.usage()["by_key"][key_hash("key-one")]["completed"] == completed


async def test_the_endpoints_show_what_python_shows(api: SimulatedApi, ask: Ask) -> None:
    async with httpx2.AsyncClient(base_url=api.url) as http:
        changed = await http.post("/_control", json={"rules": [{"reply": {"text": "hi"}}], "api_keys": ["key-one"]})
        await ask("Say hi")
        seen = [(await http.get(path)).json() for path in ("/_control", "/_requests", "/_requests?summary", "/_usage")]
    assert changed.json()["api_keys"] == [key_hash("key-one")]
    assert seen == [api.control(), api.requests(), api.summary(), api.usage()]
    assert api.summary()["by_prompt"] == {"Say hi": {"requests": 1, "completed": 1}}


async def test_the_log_file_has_each_request_before_its_response_and_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    for servers_before in range(2):
        async with SimulatedApi(log_path=path) as api, AsyncAnthropic(base_url=api.url, api_key="k") as client:
            api.control(rules=[{"times": 1, "fault": {"stall_after_events": 1}}])
            stalled = await client.messages.create(**GIVEN, stream=True)
            (started,) = lines()[4 * servers_before :]
            assert (started["event"], started["prompt"], started["status"]) == ("started", "Count me", 200)
            await client.messages.create(**GIVEN)
        await stalled.close()
    by_id = {line["id"]: [other["event"] for other in lines() if other["id"] == line["id"]] for line in lines()}
    assert list(by_id.values()) == [["started", "finished"]] * 4
    ended = [(line["outcome"], line["usage"]["input_tokens"]) for line in lines() if line["event"] == "finished"]
    assert sorted(ended) == [("completed", 2)] * 2 + [("stalled", 2)] * 2


async def test_a_taken_port_is_an_os_error(api: SimulatedApi) -> None:
    with pytest.raises(OSError, match="in use"):
        async with SimulatedApi(port=int(api.url.rpartition(":")[2])):
            raise AssertionError("started on a taken port")


async def test_leaving_ends_stalled_streams_and_frees_the_port(ask: Ask) -> None:
    async with SimulatedApi() as api, AsyncAnthropic(base_url=api.url, api_key="k", max_retries=0) as client:
        api.control(rules=[{"fault": {"stall_after_events": 1}}])
        stream = await client.messages.create(**GIVEN, stream=True)
        await anext(stream)
    port = int(api.url.rpartition(":")[2])
    with socket.socket() as again, pytest.raises(ConnectionRefusedError):
        again.connect(("127.0.0.1", port))
    await stream.close()


def test_in_a_thread_it_serves_code_that_is_not_asynchronous() -> None:
    with SimulatedApi.in_thread() as api, Anthropic(base_url=api.url, api_key="k", max_retries=0) as client:
        api.control(rules=[{"reply": {"text": "from a thread"}}])
        answer = client.messages.create(**GIVEN)
    assert answer.content[0].text == "from a thread"
    assert api.summary()["completed"] == 1
    with pytest.raises(OSError, match="in use"), socket.create_server(("127.0.0.1", 0)) as taken:  # noqa: SIM117
        with SimulatedApi.in_thread(port=taken.getsockname()[1]):
            raise AssertionError("started on a taken port")


def test_as_a_program_it_prints_its_url_and_ends_at_a_signal(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    command = [
        sys.executable,
        "-m",
        "tenuto.worker.simulated_api",
        "--port",
        "0",
        "--log",
        str(log),
        "--latency",
        "0.01",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            with Anthropic(base_url=url, api_key="k", max_retries=0) as client:
                assert client.messages.create(**GIVEN).stop_reason == "end_turn"
            server.send_signal(signal.SIGTERM)
            assert server.wait(10) == 0
        finally:
            server.kill()
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["started", "finished"]


def test_a_log_that_cannot_be_written_is_one_line_and_exit_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tenuto.worker.simulated_api", "--log", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr.startswith("the simulated API cannot start: ")
    assert len(ended.stderr.splitlines()) == 1
