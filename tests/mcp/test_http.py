"""Calls of HTTP servers: limits, retries, and what a broken connection means."""

import asyncio

import pytest

from .conftest import Bench, until
from .http_server import HttpServer


@pytest.fixture(params=["http", "streamable-http", "sse"])
def served(request: pytest.FixtureRequest, bench: Bench, http: HttpServer) -> Bench:
    url = f"{http.origin}/sse" if request.param == "sse" else http.url
    bench.add("h", {"type": request.param, "url": url, "timeout": 2})
    return bench


async def test_a_call_returns_what_the_tool_said(served: Bench, http: HttpServer) -> None:
    assert await served.call("h", "echo", a=1) == '{"a": 1}'
    assert http.metas[0]["idempotencyKey"] == "key"


async def test_a_call_that_hangs_costs_its_timeout(served: Bench) -> None:
    assert "did not answer within 2 s" in await served.failure("h", "hang")
    assert await served.call("h", "echo") == "{}"


async def test_a_refused_call_is_made_again(served: Bench, http: HttpServer) -> None:
    http.refuse = [(429, {"retry-after": "1"}), (503, {})]
    assert await served.call("h", "write") == "{}"
    assert http.ran["write"] == 1


async def test_an_error_status_fails_the_call_and_not_the_session(served: Bench, http: HttpServer) -> None:
    assert "HTTP 500" in await served.failure("h", "crash")
    http.refuse = [(400, {})]
    assert "HTTP 400" in await served.failure("h", "write")
    assert await served.call("h", "echo") == "{}"
    assert http.ran["crash"] == 1
    assert http.asked["initialize"] == 1


async def test_the_call_limit_is_kept(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url, "maxConcurrency": 3})
    await asyncio.gather(*(bench.call("h", "slow") for _ in range(12)))
    assert http.running_most == 3
    assert any("waiting for one of the 3 places" in said for said in bench.said)


async def test_eight_calls_at_once_by_default(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    await asyncio.gather(*(bench.call("h", "slow") for _ in range(20)))
    assert http.running_most == 8


async def test_everyone_waits_for_a_retry_after(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    await bench.call("h", "echo")
    http.refuse = [(429, {"retry-after": "1"})]
    first = asyncio.create_task(bench.call("h", "write"))
    gate = bench.servers.slot(bench.servers.resolve(bench.setup, "h")).gate
    await until(lambda: gate.left_s() > 0)
    await bench.call("h", "echo")
    await first
    assert min(http.called_at[1:]) - http.refused_at[0] >= 0.95


async def test_a_long_retry_after_is_told_instead_of_waited_for(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    http.refuse = [(429, {"retry-after": "600"})]
    assert "asks to wait another 600 s; the call did not run" in await bench.failure("h", "write")
    assert "did not run" in await bench.failure("h", "write")
    assert http.ran["write"] == 0


async def test_a_server_that_only_refuses_is_given_up(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    http.refuse = [(429, {"retry-after": "0"})] * 9
    assert "is busy (HTTP 429); the call did not run, after 5 tries" in await bench.failure("h", "write")


async def test_a_broken_connection_leaves_the_outcome_unknown(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    hanging = asyncio.create_task(bench.call("h", "slow"))
    assert "the outcome of this call is unknown" in await bench.failure("h", "drop")
    assert await hanging == "{}"
    assert http.ran["drop"] == 1


async def test_a_read_only_call_is_repeated_after_a_broken_connection(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    assert await bench.call("h", "safe_drop") == "{}"
    assert http.ran["safe_drop"] == 2
    assert http.metas[0]["idempotencyKey"] == http.metas[1]["idempotencyKey"]


async def test_a_session_that_the_server_forgot_is_opened_again(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    await bench.call("h", "write")
    http.sessions.clear()
    assert await bench.call("h", "write") == "{}"
    assert http.ran["write"] == 2


async def test_a_server_that_is_gone_and_comes_back(bench: Bench) -> None:
    with HttpServer() as first:
        bench.add("h", {"type": "http", "url": first.url})
        await bench.call("h", "echo")
    assert "cannot be reached" in await bench.failure("h", "echo")
    with HttpServer(port=first.port):
        assert await bench.call("h", "echo") == "{}"


@pytest.mark.parametrize("events", [False, True])
async def test_twenty_megabytes_are_one_result(bench: Bench, http: HttpServer, events: bool) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    http.sse = events
    assert len(await bench.call("h", "big", bytes=20_000_000)) == 20_000_000


async def test_the_secret_of_a_server_goes_to_it_alone(bench: Bench, http: HttpServer) -> None:
    bench.environ["ONE"] = "the-secret-of-one"
    with HttpServer() as other:
        bench.add("h", {"type": "http", "url": http.url, "headers": {"Authorization": "Bearer ${ONE}"}})
        bench.add("other", {"type": "http", "url": other.url})
        await bench.call("h", "echo")
        await bench.call("other", "echo")
        assert all(headers["authorization"] == "Bearer the-secret-of-one" for headers in http.headers)
        assert "the-secret-of-one" not in repr(other.headers)
