"""Hosts allowed by rule: reached through the proxy, nothing else; addresses of this machine only when named."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from tenuto.activities.sandbox import proxy
from tenuto.activities.sandbox.hosts import Hosts

from .conftest import Place

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")


@pytest.mark.parametrize(
    ("rules", "host", "port", "allowed"),
    [
        (["example.com"], "example.com", 443, True),
        (["example.com"], "EXAMPLE.com.", 80, True),
        (["example.com"], "www.example.com", 443, False),
        (["example.com"], "example.com.evil.org", 443, False),
        (["*.example.com"], "a.b.example.com", 443, True),
        (["*.example.com"], "example.com", 443, False),
        (["*.example.com"], "evilexample.com", 443, False),
        (["example.com:8443"], "example.com", 443, False),
        (["example.com:8443"], "example.com", 8443, True),
        (["https://example.com/path"], "example.com", 443, True),
        (["[::1]:80"], "::1", 80, True),
        (["b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"], "xn--bcher-kva.example", 443, True),
        (["*"], "anything.org", 22, True),
        ([], "example.com", 443, False),
    ],
)
def test_a_rule_names_a_host(rules: list[str], host: str, port: int, allowed: bool) -> None:
    assert Hosts(rules).name(host, port) == allowed


@pytest.mark.parametrize(
    ("rules", "host", "address", "reachable"),
    [
        (["*"], "example.com", "93.184.215.14", True),
        (["*"], "example.com", "127.0.0.1", False),
        (["*"], "localhost", "127.0.0.1", False),
        (["*"], "metadata", "169.254.169.254", False),
        (["*"], "intranet", "10.0.0.7", False),
        (["*"], "intranet", "::ffff:10.0.0.7", False),
        (["*"], "intranet", "fd00::1", False),
        (["*"], "cast", "224.0.0.1", False),
        (["*"], "nothing", "0.0.0.0", False),
        (["intranet"], "intranet", "10.0.0.7", False),
        (["intranet", "10.0.0.7"], "intranet", "10.0.0.7", True),
        (["localhost"], "localhost", "127.0.0.1", True),
        (["localhost"], "localhost", "::1", True),
        (["localhost", "evil.org"], "evil.org", "127.0.0.1", False),
        (["169.254.169.254"], "169.254.169.254", "169.254.169.254", True),
    ],
)
def test_an_address_of_this_machine_or_its_networks_has_to_be_named(
    rules: list[str], host: str, address: str, reachable: bool
) -> None:
    assert Hosts(rules).reachable(host, ipaddress.ip_address(address), 443) == reachable


def test_what_the_rules_deny_is_asked_last() -> None:
    hosts = Hosts(["*.example.com"], lambda host: host != "private.example.com")
    assert hosts.name("www.example.com", 443)
    assert not hosts.name("Private.example.com", 443)


@pytest.fixture
async def origin() -> AsyncIterator[int]:
    """A server outside of the sandbox that says what it was asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"reached:" + head.replace(b"\r\n", b"|")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


FETCH = "python3 -I - <<'END'\nimport urllib.request\ntry:\n  print(urllib.request.urlopen('{url}', timeout=10).read())\nexcept OSError as error:\n  print(error, getattr(error, 'fp', None) and error.read()); raise SystemExit(1)\nEND"  # noqa: E501


@LINUX
async def test_a_host_that_a_rule_names_is_reached_by_ordinary_programs(place: Place, origin: int) -> None:
    outcome = await place.run(FETCH.format(url=f"http://localhost:{origin}/a?b=c"), hosts=["localhost"])
    assert "reached:GET /a?b=c HTTP/1.1" in outcome.stdout, outcome.stderr
    assert "Proxy-Connection" not in outcome.stdout


@LINUX
async def test_connect_carries_any_bytes_both_ways(place: Place, origin: int) -> None:
    text = (
        "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT localhost:{port} HTTP/1.1\\r\\n\\r\\n' >&3; "
        "read -r first <&3; read -r empty <&3; echo \"$first\"; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    )
    outcome = await place.run(text.replace("{port}", str(origin)), hosts=["localhost"])
    assert "200 Connection established" in outcome.stdout, outcome.stderr
    assert "reached:GET /" in outcome.stdout


@LINUX
@pytest.mark.parametrize(
    ("hosts", "url", "words"),
    [
        (["example.com"], "http://localhost:{port}/", "no rule allows the host localhost"),
        (["*"], "http://localhost:{port}/", "a rule has to name the address itself"),
        (["*"], "http://2130706433:{port}/", "a rule has to name the address itself"),
        (["*"], "http://169.254.169.254/latest/meta-data", "a rule has to name the address itself"),
        (["localhost:1"], "http://localhost:{port}/", "no rule allows"),
    ],
)
async def test_a_host_that_no_rule_names_is_refused_in_plain_words(
    hosts: list[str], url: str, words: str, place: Place, origin: int
) -> None:
    text = "unset NO_PROXY no_proxy; " + FETCH.format(url=url.replace("{port}", str(origin)))
    outcome = await place.run(text, hosts=hosts)
    assert outcome.exit_code == 1
    assert "403" in outcome.stdout
    assert words in outcome.stdout
    assert "reached" not in outcome.stdout


@LINUX
async def test_there_is_no_way_around_the_proxy(place: Place, origin: int) -> None:
    text = "unset HTTP_PROXY http_proxy ALL_PROXY all_proxy; " + FETCH.format(url=f"http://127.0.0.1:{origin}/")
    outcome = await place.run(text, hosts=["*", "localhost"])
    assert "refused" in outcome.stdout
    assert outcome.exit_code == 1


async def dialogue(hosts: Hosts, data: bytes) -> bytes:
    served = proxy.Proxy(hosts)
    listening = socket.create_server(("127.0.0.1", 0))
    await served.serve(listening)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await served.close()
    return answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET ftp://example.com/ HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT example.com:99999 HTTP/1.1\r\n\r\n", b"400"),
        (b"\xff\xfe\r\n\r\n", b"400"),
        (b"GET http://a/ HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
        (b"CONNECT no.invalid:443 HTTP/1.1\r\n\r\n", b"502"),
        (b"CONNECT " + b"a" * 300 + b".invalid:443 HTTP/1.1\r\n\r\n", b"502"),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", b"403"),
        (b"half a", b""),
    ],
)
async def test_what_is_no_request_is_answered_as_such(request_bytes: bytes, status: bytes) -> None:
    answer = await dialogue(Hosts(["*"]), request_bytes)
    assert answer.split(b" ")[1:2] == ([status] if status else [])


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means something else at the second look-up (DNS rebinding) gains nothing."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()

    async def resolve(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))]

    connected: list[str] = []

    async def connect(host: str, port: int) -> None:
        connected.append(host)
        raise ConnectionRefusedError

    served = proxy.Proxy(Hosts(["*"]))
    listening = socket.create_server(("127.0.0.1", 0))
    await served.serve(listening)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    monkeypatch.setattr(asyncio, "open_connection", connect)
    writer.write(b"CONNECT rebinds.example:443 HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await served.close()
    assert (asked, connected) == (["rebinds.example"], ["93.184.215.14"])
    assert b"502" in answer
