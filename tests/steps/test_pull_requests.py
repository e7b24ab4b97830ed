"""`pullRequest`: outside the sandbox, by the forge's own command (played here), once however often it is tried."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tenuto.activities.steps.branch import Remote, origin_of
from tenuto.activities.steps.forge import Forge
from tenuto.workflows.step_contracts import OpenPullRequestInput

from .conftest import Stage, WorkerLost

ASKED: dict[str, Any] = {"branch": "fix/one", "title": "Fix one", "body": "Because.\n\nÉ"}

GH = """#!{python}
import json, os, sys
from pathlib import Path
here = Path({folder!r})
argv = sys.argv[1:]
stdin = sys.stdin.read() if "-" in argv else None
with (here / "calls.jsonl").open("a") as log:
    secrets = sorted(name for name in os.environ if name.startswith(("ANTHROPIC_", "TENUTO_")))
    print(json.dumps({{"argv": argv, "stdin": stdin, "cwd": os.getcwd(), "secrets": secrets}}), file=log)
requests = json.loads((here / "requests.json").read_text()) if (here / "requests.json").exists() else []
if (here / "fails").exists():
    sys.exit((here / "fails").read_text())
if argv[1] == "list":
    print(json.dumps(requests))
    sys.exit(0)
branch = argv[argv.index("--head" if argv[0] == "pr" else "--source-branch") + 1]
if any(branch in each.values() for each in requests):
    sys.exit("a pull request for this branch already exists")
url = "https://forge.test/pull/%d" % (len(requests) + 1)
requests.append({{"url": url, "web_url": url, "headRefName": branch, "source_branch": branch}})
(here / "requests.json").write_text(json.dumps(requests))
if (here / "dies").exists():
    sys.exit("HTTP 502: bad gateway")
print("Creating pull request for", branch)
print(url)
"""


def git(*words: str, cwd: Path) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com")
    return subprocess.run(
        ["git", *identity, *words], cwd=cwd, check=True, capture_output=True, text=True, env=env
    ).stdout.strip()


@dataclass
class Forged:
    """A workspace with a branch, a bare repository as its remote, and a forge's command on PATH."""

    stage: Stage
    bare: Path
    folder: Path

    def calls(self, verb: str | None = None) -> list[dict[str, Any]]:
        log = self.folder / "calls.jsonl"
        made = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [call for call in made if verb in (None, call["argv"][1])]

    def install(self, name: str) -> None:
        program = self.folder / name
        program.write_text(GH.format(python=sys.executable, folder=str(self.folder)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    async def open(self, **given: Any) -> Any:
        return await self.stage.run(OpenPullRequestInput, **{**ASKED, **given})


@pytest.fixture
async def forged(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forged:
    bare, programs = tmp_path / "remote.git", tmp_path / "programs"
    git("init", "-q", "--bare", str(bare), cwd=tmp_path)
    git("init", "-q", "-b", "main", ".", cwd=stage.root)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=stage.root)
    git("branch", "fix/one", cwd=stage.root)
    git("remote", "add", "origin", str(bare), cwd=stage.root)
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    made = Forged(stage, bare, programs)
    made.install("gh")
    return made


async def test_a_branch_is_pushed_and_its_request_opened_with_title_and_body(forged: Forged) -> None:
    result = await forged.open(base="main", draft=True)
    assert result.model_dump() == {
        "branch": "fix/one", "url": "https://forge.test/pull/1", "created": True, "reason": None
    }  # fmt: skip
    assert git("rev-parse", "fix/one", cwd=forged.bare) == git("rev-parse", "fix/one", cwd=forged.stage.root)
    (created,) = forged.calls("create")
    words = created["argv"]
    assert words[:2] == ["pr", "create"]
    assert words[words.index("--head") + 1] == "fix/one"
    assert words[words.index("--title") + 1] == "Fix one"
    assert words[words.index("--base") + 1] == "main"
    assert "--draft" in words
    assert created["stdin"] == ASKED["body"]


async def test_a_branch_that_has_a_request_gets_no_second_one(forged: Forged) -> None:
    await forged.open()
    again = await forged.open(step="s2")
    assert (again.url, again.created) == ("https://forge.test/pull/1", False)
    assert len(forged.calls("create")) == 1


@pytest.mark.parametrize("when", ["before create", "after create"])
async def test_a_worker_lost_between_push_and_answer_leaves_one_request(
    forged: Forged, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    create = Forge.create

    async def lost(self: Forge, input: OpenPullRequestInput) -> str:
        if when == "after create":
            await create(self, input)
        raise WorkerLost

    with monkeypatch.context() as patched:
        patched.setattr(Forge, "create", lost)
        with pytest.raises(WorkerLost):
            await forged.open()
    assert git("branch", "--list", "fix/one", cwd=forged.bare)  # pushed
    result = await forged.open(attempt=2)
    assert (result.url, result.created) == ("https://forge.test/pull/1", True)
    assert len(forged.calls("create")) == 1
    calls = len(forged.calls())
    assert (await forged.open(attempt=3)).url == result.url  # kept: nobody is asked again
    assert len(forged.calls()) == calls


async def test_an_answer_lost_on_the_way_is_found_by_looking_again(forged: Forged) -> None:
    (forged.folder / "dies").touch()
    result = await forged.open()
    assert result.url == "https://forge.test/pull/1"
    assert len(forged.calls("create")) == 1


async def test_without_a_forge_the_branch_is_pushed_and_the_result_says_so(forged: Forged) -> None:
    (forged.folder / "gh").unlink()
    result = await forged.open()
    assert (result.url, result.created, result.branch) == (None, False, "fix/one")
    assert "gh, glab" in result.reason
    assert git("branch", "--list", "fix/one", cwd=forged.bare)


async def test_a_remote_that_no_forge_knows_keeps_the_branch_and_says_so(forged: Forged) -> None:
    (forged.folder / "fails").write_text("none of the git remotes configured for this repository point to a known host")
    result = await forged.open()
    assert (result.url, result.created) == (None, False)
    assert "known host" in result.reason


async def test_without_a_remote_the_branch_stays_and_the_result_says_so(forged: Forged) -> None:
    git("remote", "remove", "origin", cwd=forged.stage.root)
    result = await forged.open()
    assert (result.url, result.created) == (None, False)
    assert "no remote" in result.reason
    assert forged.calls() == []


async def test_outside_of_git_there_is_no_remote(stage: Stage) -> None:
    result = await stage.run(OpenPullRequestInput, **ASKED)
    assert "no remote" in result.reason


async def test_gitlab_is_asked_by_its_own_command(forged: Forged) -> None:
    (forged.folder / "gh").unlink()
    forged.install("glab")
    result = await forged.open(base="main")
    assert result.url == "https://forge.test/pull/1"
    words = forged.calls("create")[0]["argv"]
    assert words[:2] == ["mr", "create"]
    assert words[words.index("--target-branch") + 1] == "main"
    assert words[words.index("--description") + 1] == ASKED["body"]


async def test_the_forge_gets_no_secrets_of_ours_and_works_where_no_agent_has_been(forged: Forged) -> None:
    await forged.open()
    for call in forged.calls():
        assert call["secrets"] == []
        assert not Path(call["cwd"]).is_relative_to(forged.stage.root)


async def test_the_remote_is_the_one_of_the_runs_start_whatever_agents_write_since(
    forged: Forged, tmp_path: Path
) -> None:
    await forged.stage.prepare()
    elsewhere = tmp_path / "elsewhere.git"
    git("init", "-q", "--bare", str(elsewhere), cwd=tmp_path)
    git("remote", "set-url", "origin", str(elsewhere), cwd=forged.stage.root)
    git("config", "core.sshCommand", "touch owned", cwd=forged.stage.root)
    git("config", f"url.{elsewhere}.insteadOf", str(forged.bare), cwd=forged.stage.root)
    hook = forged.stage.root / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n")
    hook.chmod(0o755)
    await forged.open()
    assert git("branch", "--list", "fix/one", cwd=forged.bare)
    assert not git("branch", "--list", "fix/one", cwd=elsewhere)
    assert not (tmp_path / "owned").exists()


async def test_a_remote_inside_the_workspace_is_refused(forged: Forged) -> None:
    git("init", "-q", "--bare", "inner.git", cwd=forged.stage.root)
    git("remote", "set-url", "origin", "inner.git", cwd=forged.stage.root)
    assert "inside the workspace" in await forged.stage.fails(OpenPullRequestInput, "refused", **ASKED)


async def test_a_remote_on_another_host_needs_a_rule_for_that_host(forged: Forged) -> None:
    git("remote", "set-url", "origin", "git@github.com:owner/name.git", cwd=forged.stage.root)
    message = await forged.stage.fails(OpenPullRequestInput, "refused", **ASKED)
    assert "github.com" in message and "--allow 'Network(github.com)'" in message
    assert forged.calls() == []


async def test_a_rule_against_pushing_holds(forged: Forged) -> None:
    await forged.stage.prepare(deny=("Bash(git push:*)",))
    assert "Bash(git push:*)" in await forged.stage.fails(OpenPullRequestInput, "refused", **ASKED)
    assert not git("branch", "--list", cwd=forged.bare)


async def test_a_known_forge_is_named_to_its_command_and_the_users_configuration_holds(
    forged: Forged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git("remote", "set-url", "origin", "https://github.com/owner/name.git", cwd=forged.stage.root)
    mine = tmp_path / "gitconfig"
    mine.write_text(f'[url "{forged.bare}"]\n\tinsteadOf = https://github.com/owner/name.git\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    await forged.stage.prepare("Network(github.com)")
    assert (await forged.open()).created
    for call in forged.calls():
        assert call["argv"][call["argv"].index("--repo") + 1] == "https://github.com/owner/name"
    assert git("branch", "--list", "fix/one", cwd=forged.bare)


async def test_a_branch_that_would_lose_commits_at_the_remote_is_not_pushed(forged: Forged, tmp_path: Path) -> None:
    await forged.open()
    git("clone", "-q", "-b", "fix/one", str(forged.bare), "other", cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "theirs", cwd=tmp_path / "other")
    git("push", "-q", "origin", "fix/one", cwd=tmp_path / "other")
    theirs = git("rev-parse", "fix/one", cwd=forged.bare)
    git(
        "branch",
        "-f",
        "fix/one",
        git("commit-tree", "-m", "ours", "main^{tree}", cwd=forged.stage.root),
        cwd=forged.stage.root,
    )
    message = await forged.stage.fails(OpenPullRequestInput, "pull_request", step="s2", **ASKED)
    assert "pullRequest('fix/one')" in message
    assert git("rev-parse", "fix/one", cwd=forged.bare) == theirs


async def test_a_forge_out_of_reach_is_tried_again_and_given_up_in_the_end(forged: Forged) -> None:
    (forged.folder / "fails").write_text("error connecting: could not resolve host")
    with pytest.raises(ApplicationError) as raised:
        await forged.open()
    assert not raised.value.non_retryable
    assert "given up after 8 attempts" in await forged.stage.fails(
        OpenPullRequestInput, "pull_request", attempt=8, **ASKED
    )
    (forged.folder / "fails").unlink()
    assert (await forged.open(attempt=2)).created


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"branch": "absent"}, "not_found"),
        ({"branch": "--upload-pack=x"}, "bad_arguments"),
        ({"branch": "a b"}, "bad_arguments"),
        ({"branch": "a..b"}, "bad_arguments"),
        ({"branch": ""}, "bad_arguments"),
        ({"base": "-x"}, "bad_arguments"),
        ({"title": " "}, "bad_arguments"),
        ({"title": "t\0"}, "bad_arguments"),
        ({"body": "x" * 100_000}, "too_large"),
    ],
)
async def test_what_cannot_be_a_request_is_one_clear_error(forged: Forged, given: dict[str, Any], kind: str) -> None:
    assert "pullRequest(" in await forged.stage.fails(OpenPullRequestInput, kind, **{**ASKED, **given})
    assert forged.calls() == []


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://github.com/owner/name.git", "github.com", "owner/name"),
        ("https://user:token@GitHub.com:443/owner/name", "github.com", "owner/name"),
        ("git@github.com:owner/name.git", "github.com", "owner/name"),
        ("ssh://git@gitlab.example.com:2222/group/sub/name.git", "gitlab.example.com", "group/sub/name"),
        ("/srv/git/name.git", None, "/srv/git/name.git"),
        ("./name.git", None, "./name.git"),
        ("file:///srv/name.git", None, "file:///srv/name.git"),
    ],
)
def test_a_remote_is_taken_apart_in_every_spelling(url: str, host: str | None, path: str) -> None:
    remote = Remote.of(url)
    assert (remote.host, remote.path) == (host, path)


async def test_the_origin_is_where_pushes_go(forged: Forged) -> None:
    root = forged.stage.root
    assert await origin_of(root) == str(forged.bare)
    git("remote", "set-url", "--push", "origin", "git@example.com:a/b.git", cwd=root)
    assert await origin_of(root) == "git@example.com:a/b.git"
    git("remote", "rename", "origin", "upstream", cwd=root)
    assert await origin_of(root) == "git@example.com:a/b.git"
    git("remote", "add", "second", "../x.git", cwd=root)
    assert await origin_of(root) is None
    git("remote", "add", "origin", "../x.git", cwd=root)
    assert await origin_of(root) == str(root.parent / "x.git")
