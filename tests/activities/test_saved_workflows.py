"""Where saved workflows are found, and the Activity that loads one."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from tenuto.activities.saved_workflows import ScriptActivities, UnknownWorkflow, find, listing
from tenuto.workflows.contracts import LoadScriptInput, Script
from tenuto.workflows.script.protocol import ScriptLoadError


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "user" / ".tenuto"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    inner = tmp_path / "repository" / "packages" / "one"
    inner.mkdir(parents=True)
    return inner


def save(folder: Path, file: str, name: str, description: str = "d") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_text(f"export const meta = {{name: '{name}', description: '{description}'}}\nreturn 1\n")
    return path


def test_the_nearest_wins(tmp_path: Path, workspace: Path, home: Path) -> None:
    users = save(home / "workflows", "a.js", "audit")
    assert find("audit", workspace, home) == users
    claude = save(tmp_path / "user" / ".claude" / "workflows", "b.js", "other")
    assert find("other", workspace, home) == claude
    root = save(tmp_path / "repository" / ".claude" / "workflows", "c.js", "audit")
    assert find("audit", workspace, home) == root
    beside = save(workspace / ".claude" / "workflows", "d.js", "audit")
    assert find("audit", workspace, home) == beside
    ours = save(workspace / ".tenuto" / "workflows", "e.js", "audit")
    assert find("audit", workspace, home) == ours
    assert [saved.path for saved in listing(workspace, home) if saved.name == "audit"] == [ours, beside, root, users]


def test_nothing_above_the_repository_is_looked_at(tmp_path: Path, workspace: Path, home: Path) -> None:
    save(tmp_path / ".claude" / "workflows", "a.js", "outside")
    with pytest.raises(UnknownWorkflow):
        find("outside", workspace, home)


def test_the_name_is_the_metas_not_the_files(workspace: Path, home: Path) -> None:
    save(workspace / ".claude" / "workflows", "audit.js", "something-else")
    right = save(workspace / ".claude" / "workflows", "zzz.js", "audit")
    assert find("audit", workspace, home) == right


def test_an_unknown_name_lists_those_there_are(workspace: Path, home: Path) -> None:
    save(workspace / ".claude" / "workflows", "a.js", "audit")
    with pytest.raises(UnknownWorkflow, match=r"'port'; there are: .*audit"):
        find("port", workspace, home)


def test_a_file_that_does_not_load_is_listed_with_its_reason(workspace: Path, home: Path) -> None:
    folder = workspace / ".claude" / "workflows"
    save(folder, "good.js", "good")
    (folder / "broken.js").write_text("return 1")
    [broken] = [saved for saved in listing(workspace, home) if saved.error]
    assert broken.name == "broken"
    assert find("good", workspace, home).name == "good.js"
    with pytest.raises(ScriptLoadError):
        find("broken", workspace, home)


async def load(home: Path, **given: object) -> Script:
    activities = ScriptActivities(home)
    input = LoadScriptInput.model_validate({"run_id": "wf_1", **given})
    return await ActivityEnvironment().run(activities.load_script, input)


async def test_a_script_is_loaded_by_name_or_by_path_in_the_workspace(workspace: Path, home: Path) -> None:
    path = save(workspace / "scripts", "x.js", "by-path")
    saved = save(workspace / ".tenuto" / "workflows", "y.js", "by-name")
    by_path = await load(home, script_path="scripts/x.js", workspace=str(workspace))
    by_name = await load(home, name="by-name", workspace=str(workspace))
    assert (by_path.name, by_path.path, by_path.dialect) == ("by-path", str(path), "javascript")
    assert (by_name.name, by_name.path) == ("by-name", str(saved))
    assert len(by_name.sha256) == 64


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"name": "none"}, "unknown_workflow"),
        ({"script_path": "no.js"}, "unknown_workflow"),
        ({"script_path": "b.js"}, "load"),
    ],
)
async def test_what_cannot_be_loaded_fails_for_good(
    workspace: Path, home: Path, given: dict[str, str], kind: str
) -> None:
    (workspace / "b.js").write_text("const x = ;")
    with pytest.raises(ApplicationError) as raised:
        await load(home, workspace=str(workspace), **given)
    assert (raised.value.type, raised.value.non_retryable) == (kind, True)
