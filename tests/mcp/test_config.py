"""Which servers are configured, and that nothing secret of a configuration goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.mcp.config import load_servers
from tenuto.activities.mcp.errors import Unusable
from tenuto.activities.mcp.server import Server, resolve


class Places:
    """A home, a repository, and a workspace in it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.root = folder / "home", folder / "repository"
        self.workspace = self.root / "packages" / "one"
        self.home.mkdir()
        self.workspace.mkdir(parents=True)
        (self.root / ".git").mkdir()
        (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"above": {"command": "a"}}}))

    def project(self, folder: Path, **servers: Any) -> Path:
        path = folder / ".mcp.json"
        path.write_text(json.dumps({"mcpServers": servers}))
        return path

    def private(self, **content: Any) -> Path:
        path = self.home / ".claude.json"
        path.write_text(json.dumps(content))
        return path

    def load(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        return load_servers(self.workspace, self.home)

    def resolve(self, name: str, **variables: str) -> Server:
        entry = self.load()[0][name]
        return resolve(name, entry, self.workspace, variables.get, {"PATH": "/bin", "SECRET": "of the Worker"})


def _nothing(_name: str) -> None:
    return None


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_the_nearest_configuration_of_a_name_counts(places: Places) -> None:
    places.project(places.root, a={"command": "root"}, b={"command": "root"}, c={"command": "root"})
    places.project(places.workspace, b={"command": "workspace"}, c={"command": "workspace"})
    places.private(
        mcpServers={"a": {"command": "user"}, "d": {"command": "user"}},
        projects={
            str(places.root): {"mcpServers": {"c": {"command": "local"}}},
            "/elsewhere": {"mcpServers": {"e": {}}},
        },
    )
    servers, notices = places.load()
    assert notices == []
    found = {name: places.resolve(name).command for name in servers}
    assert found == {"a": "root", "b": "workspace", "c": "local", "d": "user"}


def test_without_a_repository_only_the_workspace_counts(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"a": {"command": "a"}}}')
    assert load_servers(tmp_path / "inner", tmp_path / "home") == ({}, [])
    assert load_servers(None, tmp_path / "home") == ({}, [])


def test_what_goes_into_the_store_holds_nothing_of_the_configuration(places: Places) -> None:
    secret = "sk-literal-4711"
    places.project(
        places.root,
        a={"command": "x", "args": [f"--token={secret}"], "env": {"KEY": secret}},
        b={"url": f"https://mcp.example/s/{secret}/mcp?key={secret}", "headers": {"Authorization": f"Bearer {secret}"}},
    )
    places.private(mcpServers={"c": {"command": secret, "env": {"KEY": secret, "OTHER": f"${{X:-{secret}}}"}}})
    servers, _notices = places.load()
    assert sorted(servers) == ["a", "b", "c"]
    assert secret not in json.dumps(servers)
    assert places.resolve("c").env["KEY"] == secret


@pytest.mark.parametrize("text", ["{", "[1]", '{"mcpServers": [1]}', "\xff"])
def test_a_broken_file_is_a_notice(places: Places, text: str) -> None:
    (places.workspace / ".mcp.json").write_bytes(text.encode("latin-1"))
    places.private(mcpServers={"a": {"command": "x"}})
    servers, notices = places.load()
    assert list(servers) == ["a"]
    assert len(notices) == 1
    assert ".mcp.json" in notices[0]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (7, "expected an object"),
        ({"type": "ws", "url": "wss://x"}, "its type is 'ws'"),
        ({"type": "http"}, "needs `url`"),
        ({"args": []}, "needs `command`"),
        ({"command": "x", "args": "y"}, "`args` is no list"),
        ({"command": "x", "env": {"A": 1}}, "`env` is no table"),
        ({"url": "https://x", "headersHelper": "y"}, "not supported"),
    ],
)
def test_an_entry_that_cannot_be_a_server_is_a_notice(places: Places, entry: Any, says: str) -> None:
    places.project(places.root, bad=entry, good={"command": "x"})
    servers, notices = places.load()
    assert list(servers) == ["good"]
    assert len(notices) == 1
    assert says in notices[0]


def test_what_is_turned_off_in_claude_code_stays_off(places: Places) -> None:
    places.project(places.root, a={"command": "x"}, b={"command": "x"}, c={"command": "x"})
    places.private(
        mcpServers={"b": {"command": "user"}, "d": {"command": "user"}},
        projects={str(places.root): {"disabledMcpjsonServers": ["b"], "disabledMcpServers": ["d"]}},
    )
    (places.root / ".claude").mkdir()
    (places.root / ".claude" / "settings.json").write_text('{"disabledMcpjsonServers": ["c"]}')
    servers, notices = places.load()
    assert notices == []
    assert {name: places.resolve(name).command for name in servers} == {"a": "x", "b": "user"}


def test_variables_are_filled_in_where_a_session_is_opened(places: Places) -> None:
    places.project(
        places.root,
        a={"command": "${BIN:-run}", "args": ["${A}", "${B:-b}", "$A"], "env": {"T": "x-${A}"}},
        b={"type": "http", "url": "https://${HOST}/mcp", "headers": {"X": "${A}"}},
    )
    a, b = places.resolve("a", A="1"), places.resolve("b", A="1", HOST="h.example")
    assert (a.command, a.args, a.env["T"]) == ("run", ("1", "b", "$A"), "x-1")
    assert (b.url, b.headers) == ("https://h.example/mcp", {"X": "1"})


def test_a_missing_variable_is_one_clear_error(places: Places) -> None:
    places.project(places.root, a={"command": "x", "env": {"T": "${GITHUB_TOKEN}"}})
    with pytest.raises(Unusable, match=r"names \$\{GITHUB_TOKEN\}, which is not set; add a line GITHUB_TOKEN="):
        places.resolve("a")


def test_the_credential_of_the_models_goes_to_no_server(places: Places) -> None:
    places.project(places.root, a={"url": "https://x", "headers": {"X": "${ANTHROPIC_API_KEY}"}})
    with pytest.raises(Unusable, match="never goes to an MCP server"):
        places.resolve("a", ANTHROPIC_API_KEY="sk")


def test_a_run_keeps_to_the_project_configuration_it_started_with(places: Places) -> None:
    places.project(places.workspace, a={"command": "x"})
    servers, _notices = places.load()
    places.project(places.workspace, a={"command": "sh", "args": ["-c", "outside of the sandbox"]})
    with pytest.raises(Unusable, match=r"was changed in .* since the run started"):
        resolve("a", servers["a"], places.workspace, _nothing, {})
    (places.workspace / ".mcp.json").unlink()
    with pytest.raises(Unusable, match="no longer configured"):
        resolve("a", servers["a"], places.workspace, _nothing, {})


def test_another_host_takes_the_configuration_from_its_clone(places: Places, tmp_path: Path) -> None:
    path = places.project(places.workspace, a={"command": "x"})
    servers, _notices = places.load()
    clone = tmp_path / "clone"
    clone.mkdir()
    path.rename(clone / ".mcp.json")
    assert resolve("a", servers["a"], places.workspace, _nothing, {}, root=clone).command == "x"


def test_a_private_file_within_the_workspace_is_not_trusted_to_stay(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text('{"mcpServers": {"a": {"command": "x"}}}')
    servers, _notices = load_servers(tmp_path, tmp_path)
    (tmp_path / ".claude.json").write_text('{"mcpServers": {"a": {"command": "y"}}}')
    with pytest.raises(Unusable, match="was changed"):
        resolve("a", servers["a"], tmp_path, _nothing, {})


def test_a_server_whose_program_agents_can_change_is_told(places: Places) -> None:
    (places.workspace / "server.py").write_text("")
    places.project(places.workspace, a={"command": "python", "args": ["server.py"]}, b={"command": "python"})
    _servers, notices = places.load()
    assert len(notices) == 1
    assert "'a' runs server.py from the workspace" in notices[0]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 60), ({"timeout": 5000}, 5), ({"timeout": 2}, 2), ({"timeout": "x"}, 60), ({"timeout": -1}, 60)],
)
def test_a_timeout_is_milliseconds_unless_it_would_be_under_a_second(
    places: Places, given: dict[str, Any], seconds: float
) -> None:
    places.project(places.root, a={"command": "x", **given})
    assert places.resolve("a").timeout_s == seconds


def test_secrets_are_taken_out_of_texts(places: Places) -> None:
    places.project(
        places.root,
        a={
            "url": "https://user:pass-word-1@x/mcp?key=query-key-1",
            "headers": {"Authorization": "Bearer ${TOKEN}", "X-Mode": "development"},
        },
    )
    server = places.resolve("a", TOKEN="token-value-1")
    assert (
        server.redact("token-value-1 query-key-1 pass-word-1 development") == "[secret] [secret] [secret] development"
    )
    assert "token-value-1" not in repr(server)
