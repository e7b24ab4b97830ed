"""Each secret goes to its own server and nowhere else."""

import json
import logging
from pathlib import Path

import mcp_types as types
import pytest

from tenuto.activities.mcp.config import load_servers
from tenuto.activities.mcp.results import for_script
from tenuto.activities.tools.tool import ToolCall

from .conftest import Bench, no_note, stdio

SECRETS = {"ONE_TOKEN": "secret-of-one-4711", "TWO_TOKEN": "secret-of-two-0815"}
LITERAL = "literal-in-the-private-file-99"


@pytest.fixture
def two(bench: Bench, tmp_path: Path) -> Bench:
    """Two servers as a person configures them, one in the project and one in the private file."""
    log = {"CALLS_LOG": str(bench.log)}
    project = {"one": stdio(env={**log, "TOKEN": "${ONE_TOKEN}"})}
    private = {"two": stdio(env={**log, "TOKEN": "${TWO_TOKEN}", "API_KEY": LITERAL})}
    (bench.workspace / ".mcp.json").write_text(json.dumps({"mcpServers": project}))
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": private}))
    bench.environ.update(SECRETS)
    found, notices = load_servers(bench.workspace, tmp_path)
    assert notices == []
    bench.setup.mcp.update(found)
    return bench


async def test_a_server_gets_a_small_environment_and_its_own_secret(two: Bench) -> None:
    # What it says of its environment is shown without the secret, so what it really has is looked up in its process.
    pids = {name: json.loads(await two.call(name, "daemon"))["server"] for name in ("one", "two")}
    environments = {}
    for name, pid in pids.items():
        words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        environments[name] = dict(word.split("=", 1) for word in words if word)
    assert environments["one"]["TOKEN"] == SECRETS["ONE_TOKEN"]
    assert environments["two"]["TOKEN"] == SECRETS["TWO_TOKEN"]
    assert environments["two"]["API_KEY"] == LITERAL
    assert SECRETS["TWO_TOKEN"] not in repr(environments["one"])
    assert LITERAL not in repr(environments["one"])
    assert SECRETS["ONE_TOKEN"] not in repr(environments["two"])
    usual = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM", "LC_CTYPE"}
    assert environments["one"].keys() - usual == {"TOKEN", "CALLS_LOG"}


async def test_no_secret_is_in_the_setup_the_results_the_store_or_the_log(
    two: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    everything = [two.setup.model_dump_json()]
    for name in ("one", "two"):
        result = await two.run(f"mcp__{name}__environment")
        everything.append(repr(result))
        everything.append(json.dumps((await two.tool(f"mcp__{name}__environment")).definition))
        everything.append(await two.call(name, "environment"))
        everything.append(await two.failure(name, "die"))
    await two.store.put("runs/run/setup.json", two.setup.model_dump_json().encode())
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    text = "\n".join([*everything, caplog.text, *two.said, *two.notices]).encode() + stored
    for secret in (*SECRETS.values(), LITERAL, two.environ["ANTHROPIC_API_KEY"]):
        assert secret.encode() not in text
    assert b"[secret]" in text


async def test_secrets_come_from_the_credentials_file_first(two: Bench) -> None:
    (two.home / "credentials.env").write_text("ONE_TOKEN=from-the-file-123\n")
    pid = json.loads(await two.call("one", "daemon"))["server"]
    assert b"TOKEN=from-the-file-123" in Path(f"/proc/{pid}/environ").read_bytes()


async def test_a_conversation_uses_a_secret_that_was_replaced(two: Bench) -> None:
    tool = await two.tool("mcp__one__daemon")
    (two.home / "credentials.env").write_text("ONE_TOKEN=the-new-token-1\n")
    result = await tool.run(ToolCall("i", tool.name, {}, "k"), two.place(), no_note)
    pid = json.loads(result.content[0]["text"])["server"]
    assert b"TOKEN=the-new-token-1" in Path(f"/proc/{pid}/environ").read_bytes()


async def test_structured_values_for_scripts_are_without_secrets_too() -> None:
    content = {"a": [{"b": "my secret!"}], "n": 1}
    result = types.CallToolResult.model_validate({"content": [], "structuredContent": content})
    assert for_script(result, lambda text: text.replace("secret", "…")) == {"a": [{"b": "my …!"}], "n": 1}
