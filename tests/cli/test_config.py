"""Settings: where each value comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.config import Settings, UsageError


def load(folder: Path, environ: dict[str, str] | None = None, **flags: Any) -> Settings:
    """Settings with a home and a workspace of their own and nothing of the machine's."""
    workspace = folder / "project" / "deep"
    workspace.mkdir(parents=True, exist_ok=True)
    base = {"TENUTO_HOME": str(folder / "home"), "TEMPORAL_CONFIG_FILE": "/dev/null"}
    return Settings.load(workspace, {**base, **(environ or {})}, **flags)


def test_without_anything_the_service_is_embedded_and_the_store_is_in_the_home(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(home=tmp_path / "home", store=f"file://{tmp_path}/home/store")
    assert settings.embedded
    assert settings.address is None


def test_a_flag_beats_the_environment_which_beats_the_project_which_beats_the_user(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tenuto.toml").write_text('model = "user"\nconcurrency = 3\ntask_queue = "user"')
    assert load(tmp_path).model == "user"
    (tmp_path / "project").mkdir(exist_ok=True)
    (tmp_path / "project" / "tenuto.toml").write_text('model = "project"\nmax_usd = 2')
    assert load(tmp_path).model == "project"
    assert (load(tmp_path).concurrency, load(tmp_path).max_usd, load(tmp_path).task_queue) == (3, 2.0, "user")
    assert load(tmp_path, {"TENUTO_MODEL": "environment"}).model == "environment"
    assert load(tmp_path, {"TENUTO_MODEL": "environment"}, model="flag").model == "flag"


def test_the_nearest_project_file_counts(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "project" / "tenuto.toml").write_text('model = "far"\nmax_usd = 1')
    (tmp_path / "project" / "deep" / "tenuto.toml").write_text('model = "near"')
    assert load(tmp_path).model == "near"
    assert load(tmp_path).max_usd is None


def test_temporals_own_variables_name_the_service(tmp_path: Path) -> None:
    environ = {"TEMPORAL_ADDRESS": "temporal:7233", "TEMPORAL_NAMESPACE": "team", "TENUTO_STORE": "s3://bucket/x"}
    settings = load(tmp_path, environ)
    assert (settings.address, settings.namespace, settings.embedded) == ("temporal:7233", "team", False)


def test_a_store_on_this_hosts_disk_is_refused_with_a_service_that_may_be_elsewhere(tmp_path: Path) -> None:
    environ = {"TEMPORAL_ADDRESS": "temporal:7233"}
    with pytest.raises(UsageError, match="--local-store"):
        load(tmp_path, environ)
    assert load(tmp_path, environ, local_store=True).store.startswith("file://")
    assert load(tmp_path, {**environ, "TENUTO_LOCAL_STORE": "1"}).local_store


@pytest.mark.parametrize("name", ["TENUTO_DISABLE", "CLAUDE_CODE_DISABLE_WORKFLOWS"])
def test_starting_runs_can_be_turned_off(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, {name: "1"}).disabled_by == name
    assert load(tmp_path, {name: "0"}).disabled_by is None


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"TENUTO_CONCURRENCY": "many"}, "TENUTO_CONCURRENCY is 'many'; expected a whole number"),
        ({"TENUTO_CONCURRENCY": "0"}, "expected a whole number of at least 1"),
        ({"TENUTO_MAX_USD": "nan"}, "TENUTO_MAX_USD is 'nan'; expected dollars"),
        ({"TENUTO_MAX_USD": "-1"}, "expected dollars"),
        ({"TENUTO_STORE": "ftp://x"}, "TENUTO_STORE is 'ftp://x'; expected a URL"),
        ({"TENUTO_STORE": "relative/path"}, "expected a URL"),
        ({"TENUTO_DISABLE": "perhaps"}, "TENUTO_DISABLE is 'perhaps'; expected 1 or 0"),
        ({"TEMPORAL_ADDRESS": "nowhere"}, "'nowhere'; expected host:port"),
        ({"TEMPORAL_ADDRESS": "http://host:1"}, "expected host:port"),
        ({"TENUTO_HOME": "/dev/null"}, "name a directory"),
        ({"TENUTO_HOME": "/dev/null/below"}, "name a directory"),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(tmp_path, environ)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_usd = true", "expected dollars"),
        ("concurrency = 1.5", "expected a whole number"),
        ("allow = 'WebSearch'", "expected a list"),
        ("modell = 'opus'", "unknown setting 'modell'"),
        ("model = ", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_path(tmp_path: Path, text: str, named: str) -> None:
    load(tmp_path)
    path = tmp_path / "project" / "tenuto.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        load(tmp_path)
    assert named in str(refused.value)
    assert str(path) in str(refused.value)
