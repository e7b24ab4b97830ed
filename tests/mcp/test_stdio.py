"""Calls of stdio servers: what goes wrong with one call costs that call."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import STDIO, Bench, alive, stdio, until


async def test_a_call_returns_what_the_tool_said(bench: Bench) -> None:
    bench.add("s", stdio())
    assert await bench.call("s", "echo", a=1) == '{"a": 1}'
    assert await bench.call("s", "structured") == {"rows": 2}


async def test_every_call_carries_its_idempotency_key(bench: Bench) -> None:
    bench.add("s", stdio())
    meta = json.loads(await bench.call("s", "meta", key="agent-7/toolu_3"))
    assert meta["idempotencyKey"] == meta["tenuto/idempotency-key"] == "agent-7/toolu_3"


async def test_a_call_that_hangs_costs_its_timeout_and_nothing_else(bench: Bench) -> None:
    bench.add("s", stdio(timeout=1))
    started = time.monotonic()
    hanging = asyncio.create_task(bench.failure("s", "hang"))
    await until(lambda: "hang" in bench.ran())
    assert await bench.call("s", "echo") == "{}"
    assert not hanging.done()
    assert "did not answer within 1 s; the outcome of this call is unknown" in await hanging
    assert time.monotonic() - started < 5
    assert await bench.call("s", "echo") == "{}"


async def test_a_server_that_hangs_as_a_whole_is_replaced_for_the_next_call(bench: Bench) -> None:
    bench.add("s", stdio("--one-at-a-time", timeout=1))
    assert "did not answer" in await bench.failure("s", "hang")
    assert await bench.call("s", "echo") == "{}"


async def test_a_timeout_is_in_milliseconds_as_in_claude_code(bench: Bench) -> None:
    bench.add("s", stdio(timeout=1000))
    assert "within 1 s" in await bench.failure("s", "hang")


async def test_a_server_that_dies_in_a_call_costs_that_call_and_is_started_again(bench: Bench) -> None:
    bench.add("s", stdio())
    assert await bench.failure("s", "die") == (
        "the MCP server 's' ended with exit code 3 before it answered; the outcome of this call is unknown: "
        "the call may or may not have had its effect; find out before you make it again"
    )
    assert bench.ran() == ["die"]
    assert await bench.call("s", "echo") == "{}"


async def test_a_call_that_may_be_repeated_is_after_its_server_died(bench: Bench) -> None:
    bench.add("s", stdio())
    assert await bench.call("s", "die_once", key="k1") == "{}"
    assert bench.log.read_text().splitlines() == ["die_once k1", "die_once k1"]


@pytest.mark.parametrize(
    "more",
    [{"idempotent": True}, {"env": {"CAPABILITIES": '{"experimental": {"idempotencyKey": {}}}'}}],
    ids=["configured", "declared"],
)
async def test_a_server_that_honours_the_key_has_its_calls_repeated(bench: Bench, more: dict[str, object]) -> None:
    bench.add("s", stdio(**more))
    assert "tries" not in await bench.failure("s", "die")
    assert len(bench.ran()) == 5


async def test_a_server_that_was_killed_between_calls_is_started_again(bench: Bench) -> None:
    bench.add("s", stdio())
    found = json.loads(await bench.call("s", "daemon"))
    os.kill(found["server"], signal.SIGKILL)
    # What a server leaves behind has its pipes too, and goes with it.
    await until(lambda: not alive(found["server"]) and not alive(found["pid"]))
    assert await bench.call("s", "write") == "{}"
    assert bench.ran() == ["daemon", "write"]


async def test_error_results_and_protocol_errors_are_failures(bench: Bench) -> None:
    bench.add("s", stdio())
    assert await bench.failure("s", "fail") == "no such row"
    assert "answered with an error: I do not do tools/call" in await bench.failure("s", "refuse")
    assert "gave an answer that is not one of MCP's" in await bench.failure("s", "nonsense")
    assert await bench.call("s", "echo") == "{}"


async def test_a_cancelled_call_leaves_the_session_to_the_others(bench: Bench) -> None:
    bench.add("s", stdio())
    first = json.loads(await bench.call("s", "daemon"))["server"]
    hanging = asyncio.create_task(bench.call("s", "hang"))
    await until(lambda: "hang" in bench.ran())
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert json.loads(await bench.call("s", "daemon"))["server"] == first


async def test_many_first_calls_open_one_session(bench: Bench) -> None:
    bench.add("s", stdio(env={"SLOW_START_S": "0.3"}))
    found = await asyncio.gather(*(bench.call("s", "daemon") for _ in range(20)))
    assert len({json.loads(each)["server"] for each in found}) == 1


async def test_a_stopped_caller_does_not_take_the_connection_from_the_others(bench: Bench) -> None:
    bench.add("s", stdio(env={"SLOW_START_S": "0.5"}))
    first = asyncio.create_task(bench.call("s", "echo"))
    second = asyncio.create_task(bench.call("s", "echo"))
    await until(lambda: any("connecting" in said for said in bench.said) or first.done())
    first.cancel()
    assert await second == "{}"


async def test_noise_on_stdout_is_no_message(bench: Bench) -> None:
    bench.add("s", stdio("--noise"))
    assert await bench.call("s", "echo") == "{}"


async def test_a_server_that_cannot_start_says_why(bench: Bench) -> None:
    bench.add("gone", {"command": "tenuto-no-such-program"})
    bench.add("broken", stdio("--broken"))
    assert "there is no program 'tenuto-no-such-program'" in await bench.failure("gone", "x")
    assert "exit code 4 (no database at db.example:5432)" in await bench.failure("broken", "x")
    assert "there is no MCP server 'other' in this run; there are: broken, gone" in await bench.failure("other", "x")


async def test_a_server_of_another_age_is_told_as_that(bench: Bench) -> None:
    bench.add("s", stdio(env={"PROTOCOL": "1999-01-01"}))
    assert "cannot be connected to: Unsupported protocol version" in await bench.failure("s", "echo")


async def test_a_server_that_never_gets_ready_is_given_up(bench: Bench) -> None:
    bench.add("s", stdio(env={"SLOW_START_S": "3600"}, startupTimeout=1))
    started = time.monotonic()
    assert "did not get ready within 1 s; the call did not run" in await bench.failure("s", "echo")
    assert time.monotonic() - started < 10


async def test_a_message_without_end_ends_the_server_not_the_worker(bench: Bench) -> None:
    bench.add("s", stdio())
    assert "more than 64 MiB" in await bench.failure("s", "big", bytes=70_000_000)
    assert await bench.call("s", "echo") == "{}"


async def test_an_idle_session_is_closed_and_opened_again(bench: Bench) -> None:
    bench.servers = type(bench.servers)(bench.home, bench.environ, idle_s=0.1)
    bench.add("s", stdio())
    first = json.loads(await bench.call("s", "daemon"))
    await until(lambda: not alive(first["server"]))
    await until(lambda: not alive(first["pid"]))
    assert await bench.call("s", "echo") == "{}"
    await bench.servers.close()


async def test_closing_ends_the_whole_process_tree(bench: Bench) -> None:
    bench.add("s", stdio())
    found = json.loads(await bench.call("s", "daemon"))
    assert alive(found["server"]) and alive(found["pid"])
    await bench.servers.close()
    assert not alive(found["server"])
    assert not alive(found["pid"])


async def test_nothing_of_a_server_outlives_a_worker_that_was_killed(bench: Bench) -> None:
    program = f"""
import asyncio, json, sys
from pathlib import Path
from tenuto.activities.mcp.tools import McpServers
from tenuto.workflows.setup_contracts import RunSetup
async def main():
    entry = {{"command": sys.executable, "args": [{STDIO!r}]}}
    setup = RunSetup(run_id="r", workspace={str(bench.workspace)!r}, mcp={{"s": entry}})
    print(await McpServers(Path({str(bench.home)!r})).call("s", "daemon", {{}}, "k", setup), flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout is not None
        found = json.loads(await asyncio.to_thread(worker.stdout.readline))
        assert alive(found["server"]) and alive(found["pid"])
    finally:
        worker.kill()
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()
    await until(lambda: not alive(found["server"]))
    await until(lambda: not alive(found["pid"]))
