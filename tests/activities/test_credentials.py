"""Where a credential comes from, and that it never shows."""

from __future__ import annotations

import stat
from pathlib import Path

import anthropic
import pytest
from anthropic.lib.bedrock import AsyncAnthropicBedrock
from anthropic.lib.vertex import AsyncAnthropicVertex

from tenuto.activities.clients import Clients
from tenuto.activities.credentials import Credentials, CredentialsFileError, Source
from tenuto.activities.errors import NoCredential


@pytest.fixture(autouse=True)
def _no_sources_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def found(home: Path, environ: dict[str, str]) -> list[tuple[str, str, str | None]]:
    return [(source.platform, source.secret, source.base_url) for source in Credentials(home, environ).sources()]


def test_the_file_comes_before_the_environment(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, {"ANTHROPIC_AUTH_TOKEN": "token", "ANTHROPIC_API_KEY": "two"})
    credentials.write({"ANTHROPIC_API_KEY": "one"})
    assert [source.secret for source in credentials.sources()] == ["one", "two", "token"]


def test_nothing_is_nothing(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, {})
    assert not credentials.available()
    assert str(tmp_path / "credentials.env") in credentials.describe()


def test_the_file_is_private_and_keeps_what_it_had(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "home", {})
    credentials.write({"ANTHROPIC_API_KEY": " one \n"[:-1], "ANTHROPIC_BASE_URL": "https://gateway.example"})
    path = credentials.write({"ANTHROPIC_AUTH_TOKEN": "token"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(source.secret, source.base_url) for source in credentials.sources()] == [
        ("one", "https://gateway.example"),
        ("token", "https://gateway.example"),
    ]
    credentials.write({"ANTHROPIC_API_KEY": None})
    assert [source.secret for source in credentials.sources()] == ["token"]
    assert [entry.name for entry in path.parent.iterdir()] == ["credentials.env"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    credentials = Credentials(tmp_path, environ)
    assert not credentials.available()
    (tmp_path / "credentials.env").write_text("# mine\nexport ANTHROPIC_API_KEY='new key'\n\nnonsense\n")
    assert [source.secret for source in credentials.sources()] == ["new key"]
    (tmp_path / "credentials.env").unlink()
    assert not credentials.available()
    environ["ANTHROPIC_API_KEY"] = "from the environment"
    assert credentials.available()


def test_a_key_goes_to_the_place_it_was_found_with(tmp_path: Path) -> None:
    (tmp_path / "credentials.env").write_text("ANTHROPIC_API_KEY=real\nANTHROPIC_BASE_URL=https://own.example\n")
    environ = {"ANTHROPIC_API_KEY": "test", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
    assert found(tmp_path, environ) == [
        ("api_key", "real", "https://own.example"),
        ("api_key", "test", "http://127.0.0.1:1"),
    ]


def test_no_description_shows_a_secret(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, {"ANTHROPIC_API_KEY": "sk-secret", "ANTHROPIC_BASE_URL": "https://g.example"})
    assert credentials.describe() == "ANTHROPIC_API_KEY from the environment for https://g.example"
    assert "sk-secret" not in repr(credentials.sources())


def test_bad_files_and_bad_values_are_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsFileError, match="line break"):
        Credentials(tmp_path, {}).write({"ANTHROPIC_API_KEY": "a\nANTHROPIC_BASE_URL=x"})
    (tmp_path / "credentials.env").write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsFileError, match="cannot read"):
        Credentials(tmp_path, {}).available()


def test_a_platform_switch_comes_before_keys(tmp_path: Path) -> None:
    environ = {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-central-1", "ANTHROPIC_API_KEY": "k"}
    assert [platform for platform, _, _ in found(tmp_path, environ)] == ["bedrock", "api_key"]
    assert found(tmp_path, {"CLAUDE_CODE_USE_VERTEX": "0"}) == []


def test_a_profile_is_a_source(tmp_path: Path) -> None:
    assert [platform for platform, _, _ in found(tmp_path, {"ANTHROPIC_PROFILE": "work"})] == ["sdk"]


async def test_each_platform_has_its_client() -> None:
    clients = Clients()
    bedrock = Source("bedrock", "test", settings=(("AWS_REGION", "eu-west-1"), ("AWS_BEARER_TOKEN_BEDROCK", "t")))
    vertex = Source("vertex", "test", settings=(("CLOUD_ML_REGION", "global"), ("ANTHROPIC_VERTEX_PROJECT_ID", "p")))
    foundry = Source(
        "foundry", "test", settings=(("ANTHROPIC_FOUNDRY_API_KEY", "k"), ("ANTHROPIC_FOUNDRY_RESOURCE", "r"))
    )
    assert isinstance(clients.of(bedrock), AsyncAnthropicBedrock)
    assert isinstance(clients.of(vertex), AsyncAnthropicVertex)
    assert isinstance(clients.of(foundry), anthropic.AsyncAnthropicFoundry)
    key = Source("api_key", "test", "https://api.example", "k")
    assert clients.of(key) is clients.of(Source("api_key", "test", "https://api.example", "k"))
    assert all(client.max_retries == 0 for client in map(clients.of, (bedrock, vertex, foundry, key)))
    await clients.close()


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (Source("api_key", "test", "api.example", "k"), "ANTHROPIC_BASE_URL"),
        (Source("foundry", "test"), "ANTHROPIC_FOUNDRY_API_KEY"),
        (Source("vertex", "test"), "CLOUD_ML_REGION"),
    ],
)
async def test_an_unusable_source_says_what_it_misses(
    source: Source, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CLOUD_ML_REGION", "ANTHROPIC_FOUNDRY_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    clients = Clients()
    with pytest.raises(NoCredential, match=named):
        clients.of(source)
    await clients.close()
