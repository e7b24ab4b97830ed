"""Authorization with HTTP servers, against an authorization server of our own."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tenuto.activities.mcp.authorize import authorize
from tenuto.activities.mcp.errors import Unusable
from tenuto.activities.mcp.tokens import Grant, path_of, read_grant, write_grant
from tenuto.activities.mcp.tools import McpServers

from .conftest import Bench
from .http_server import HttpServer


class Browser:
    """Opens the address it is given and follows it to where it leads."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[str]] = []

    def open(self, url: str) -> None:
        self.tasks.append(asyncio.create_task(self._visit(url)))

    async def _visit(self, url: str) -> str:
        async with httpx2.AsyncClient(follow_redirects=True) as client:
            return (await client.get(url)).text


@pytest.fixture
def guarded(bench: Bench, http: HttpServer) -> Bench:
    http.oauth.on = True
    bench.add("h", {"type": "http", "url": http.url})
    return bench


async def _authorized(bench: Bench) -> Path:
    browser = Browser()
    path = await authorize(bench.servers.resolve(bench.setup, "h"), bench.home, browser.open)
    assert path is not None
    assert "Tenuto is authorized" in await browser.tasks[0]
    return path


def _written(bench: Bench) -> Grant:
    grant = read_grant(path_of(bench.home, "h"))
    assert grant is not None
    return grant


async def test_a_server_that_wants_authorization_says_what_to_do(guarded: Bench) -> None:
    says = "the MCP server 'h' needs authorization: run `tenuto auth mcp h`"
    assert says in await guarded.failure("h", "echo")
    assert await guarded.servers.tools_for(guarded.setup, notice=guarded.notices.append) == []
    assert says in guarded.notices[0]


async def test_an_authorized_server_can_be_called(guarded: Bench, http: HttpServer) -> None:
    path = await _authorized(guarded)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.parent == guarded.home / "mcp"
    assert await guarded.call("h", "echo", a=1) == '{"a": 1}'
    assert http.oauth.registered[0]["client_name"] == "Tenuto"


async def test_a_server_without_authorization_needs_none(bench: Bench, http: HttpServer) -> None:
    bench.add("h", {"type": "http", "url": http.url})
    assert await authorize(bench.servers.resolve(bench.setup, "h"), bench.home, pytest.fail) is None
    assert not (bench.home / "mcp").exists()


@pytest.mark.parametrize("whole", [True, False], ids=["address", "code"])
async def test_without_a_browser_the_address_or_the_code_is_pasted(
    guarded: Bench, http: HttpServer, whole: bool
) -> None:
    shown: list[str] = []

    async def paste() -> str:
        async with httpx2.AsyncClient() as client:
            location = (await client.get(shown[0])).headers["location"]
        return f"{location}\n" if whole else parse_qs(urlsplit(location).query)["code"][0]

    server = guarded.servers.resolve(guarded.setup, "h")
    assert await authorize(server, guarded.home, shown.append, paste) is not None
    assert await guarded.call("h", "echo") == "{}"


async def test_a_refusal_by_the_person_is_told(guarded: Bench) -> None:
    async def paste() -> str:
        return "http://127.0.0.1/callback?error=access_denied&state=x"

    with pytest.raises(Unusable, match="said 'access_denied'"):
        await authorize(guarded.servers.resolve(guarded.setup, "h"), guarded.home, lambda _url: None, paste)
    assert not path_of(guarded.home, "h").exists()


async def test_one_refresh_serves_every_agent_of_every_worker(guarded: Bench, http: HttpServer) -> None:
    await _authorized(guarded)
    others = [McpServers(guarded.home, guarded.environ) for _ in range(3)]
    http.oauth.access.clear()
    try:
        calls = [each.call("h", "echo", {}, "k", guarded.setup) for each in others for _ in range(4)]
        assert await asyncio.gather(*calls) == ["{}"] * 12
    finally:
        for each in others:
            await each.close()
    assert http.oauth.refreshes == 1


async def test_one_refresh_serves_other_processes_too(guarded: Bench, http: HttpServer) -> None:
    await _authorized(guarded)
    http.oauth.access.clear()
    program = f"""
import asyncio
from pathlib import Path
from tenuto.activities.mcp.tools import McpServers
from tenuto.workflows.setup_contracts import RunSetup
async def main():
    servers = McpServers(Path({str(guarded.home)!r}))
    setup = RunSetup(run_id="r", mcp={{"h": {{"type": "http", "url": {http.url!r}}}}})
    print(await servers.call("h", "echo", {{}}, "k", setup))
    await servers.close()
asyncio.run(main())
"""
    one, two = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=-1) for _ in range(2)]
    assert [(await each.communicate())[0] for each in (one, two)] == [b"{}\n", b"{}\n"]
    assert http.oauth.refreshes == 1


async def test_a_token_is_renewed_before_it_ends(guarded: Bench, http: HttpServer) -> None:
    path = await _authorized(guarded)
    before = _written(guarded)
    write_grant(path, before.model_copy(update={"expires_at": time.time() + 5}))
    assert await guarded.call("h", "echo") == "{}"
    assert http.oauth.refreshes == 1
    assert _written(guarded).access_token != before.access_token


async def test_a_grant_that_has_ended_is_told_and_not_tried_again(guarded: Bench, http: HttpServer) -> None:
    await _authorized(guarded)
    http.oauth.access.clear()
    http.oauth.refresh.clear()
    assert "its grant has ended (invalid_grant): run `tenuto auth mcp h`" in await guarded.failure("h", "echo")
    assert "needs authorization: run `tenuto auth mcp h`" in await guarded.failure("h", "echo")
    assert http.oauth.refreshes == 1


async def test_a_refresh_that_fails_for_now_keeps_the_grant(guarded: Bench, http: HttpServer) -> None:
    await _authorized(guarded)
    http.oauth.access.clear()
    http.oauth.refresh_status = 503
    assert "its token could not be renewed" in await guarded.failure("h", "echo")
    http.oauth.refresh_status = 200
    assert await guarded.call("h", "echo") == "{}"


async def test_a_token_goes_to_no_other_address_of_the_same_name(guarded: Bench, http: HttpServer) -> None:
    await _authorized(guarded)
    with HttpServer() as other:
        guarded.setup.mcp["h"] = {"type": "http", "url": other.url}
        await guarded.call("h", "echo")
        assert other.headers
        assert all("authorization" not in headers for headers in other.headers)


async def test_a_damaged_file_says_what_to_do(guarded: Bench) -> None:
    path = await _authorized(guarded)
    path.write_text("{")
    assert "cannot be read; remove it, then authorize again" in await guarded.failure("h", "echo")


async def test_the_command_authorizes(guarded: Bench, http: HttpServer) -> None:
    (guarded.workspace / ".mcp.json").write_text(json.dumps({"mcpServers": guarded.setup.mcp}))
    environ = {**os.environ, "TENUTO_HOME": str(guarded.home), "HOME": str(guarded.home)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tenuto.worker", "auth", "mcp", "h", "--code"),
        cwd=guarded.workspace,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    url = b""
    while not url.startswith(b"http"):
        url = await process.stderr.readline()
        assert url, "it ended without showing an address"
    async with httpx2.AsyncClient() as client:
        location = (await client.get(url.decode().strip())).headers["location"]
    out, _err = await process.communicate(location.encode() + b"\n")
    assert process.returncode == 0
    assert b"h is authorized" in out
    assert await guarded.call("h", "echo") == "{}"
