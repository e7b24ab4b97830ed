"""Repositories in the sandbox: hooks read-only, worktrees and borrowed objects, shared checkouts left alone."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tenuto.activities.sandbox.command import Command
from tenuto.activities.sandbox.git_places import git_places
from tenuto.activities.sandbox.sandbox import Sandbox
from tenuto.workflows.policy.git import SHARED_GIT_COMMANDS

from .conftest import SECRET, SMALL, Place, git

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")


def state(root: Path) -> tuple[str, ...]:
    """What agents in one checkout share: files, index, stash, branches, where HEAD is."""
    index = (root / ".git" / "index").read_bytes().hex()
    return (
        index,
        git(root, "stash", "list"),
        git(root, "for-each-ref"),
        git(root, "symbolic-ref", "HEAD"),
        git(root, "status", "--short"),
    )


def dirty(place: Place) -> None:
    (place.root / "README").write_text("changed\n")
    (place.root / "new.txt").write_text("new\n")


SHARED_REFUSED = {
    "stash": "git stash",
    "stash by path": "/usr/bin/git stash push",
    "reset": "git reset --hard",
    "clean": "git clean -fdx",
    "checkout": "git checkout -- .",
    "switch": "git switch -c other",
    "add": "git add -A",
    "commit": "git commit -am x",
    "commit that only seems to try": "git commit -am --dry-run",
    "through options": "git -C . -c core.editor=true --no-pager reset --hard",
    "through another folder": "cd /tmp && git -C {root} stash",
    "through variables": "cd /tmp && GIT_DIR={root}/.git GIT_WORK_TREE={root} git reset --hard",
    "through an alias": "git -c alias.ci='commit -a' ci -m x",
    "out of a program": "python3 -c \"import subprocess, sys; sys.exit(subprocess.run(['git', 'stash']).returncode)\"",
    "out of a Makefile": "printf 'all:\\n\\tgit stash\\n' > /tmp/Makefile && make -f /tmp/Makefile",
    "out of a script": "printf 'git reset --hard' | sh",
    "its own programs": "$(git --exec-path)/git stash",
    "its own commands": "$(git --exec-path)/git-stash",
    "deleting a branch": "git branch -D main",
    "moving HEAD": "git symbolic-ref HEAD refs/heads/other",
    "moving a branch": "git update-ref refs/heads/main $(git rev-parse HEAD)",
    "collecting garbage": "git gc --prune=now",
    "another worktree's stash": "git stash push",
}


@pytest.mark.parametrize("name", SHARED_REFUSED)
async def test_in_a_shared_checkout_git_does_not_change_what_others_work_on(name: str, place: Place) -> None:
    dirty(place)
    before = state(place.root)
    outcome = await place.run(SHARED_REFUSED[name].replace("{root}", str(place.root)), shared=True)
    assert outcome.exit_code != 0
    assert "tenuto: git" in outcome.stderr
    assert "refused" in outcome.stderr
    assert state(place.root) == before


@pytest.mark.parametrize(
    "text",
    ["git status", "git diff", "git log -1", "git show", "git stash list", "git branch", "git worktree list",
     "git reflog", "git submodule", "git clean -n", "git add --dry-run .", "git symbolic-ref HEAD",
     "git stash --help >&-; :", "git apply --check /dev/null; :", "git config user.name", "git --version",
     "git", "git -h; :"],
)  # fmt: skip
async def test_in_a_shared_checkout_git_may_look(text: str, place: Place) -> None:
    git(place.root, "config", "user.name", "x")
    dirty(place)
    outcome = await place.run(text, shared=True)
    assert "refused" not in outcome.stderr
    assert outcome.exit_code in (0, 1 if text == "git" else 0)


async def test_a_rule_lets_a_command_through_and_no_other(place: Place) -> None:
    dirty(place)
    outcome = await place.run("git add -A && git commit -qm x && git stash", shared=True, allowed_git=["add", "commit"])
    assert "git stash" in outcome.stderr
    assert git(place.root, "log", "-1", "--format=%s") == "x"


async def test_tests_of_a_project_may_make_repositories_of_their_own(place: Place) -> None:
    outcome = await place.run(
        "git init -q /tmp/r && cd /tmp/r && echo 1 > f && git add f && git commit -qm one && echo 2 > f && git stash "
        "&& git checkout -qb other && git reset -q --hard && git stash pop && git worktree add -q /tmp/r2 "
        "&& rm -rf /tmp/r /tmp/r2",
        shared=True,
    )
    assert outcome.exit_code == 0, outcome.stderr


async def test_in_a_checkout_of_its_own_an_agent_may_do_all_of_it(place: Place) -> None:
    dirty(place)
    outcome = await place.run(
        "git stash -u && git stash pop && git add -A && git commit -qm x && git reset -q --hard HEAD~ && git clean -fdx"
    )
    assert outcome.exit_code == 0, outcome.stderr


async def test_every_command_that_policy_refuses_is_refused_by_the_stand_in(place: Place) -> None:
    names = [
        name
        for name, shared in SHARED_GIT_COMMANDS.items()
        if not shared.acts and not shared.changes and not shared.words_max
    ]
    script = "\n".join(f"git {name} zzz" for name in names)
    outcome = await place.run(script, shared=True)
    refused = [line.split()[2].rstrip(":") for line in outcome.stderr.splitlines() if line.startswith("tenuto: git")]
    assert refused == names


async def test_an_alias_in_the_repositorys_settings_is_seen_through(place: Place) -> None:
    git(place.root, "config", "alias.save", "stash push")
    dirty(place)
    outcome = await place.run("git save", shared=True)
    assert outcome.exit_code == 128
    assert "refused" in outcome.stderr


async def test_a_clone_that_borrows_objects_works_and_cannot_change_them(place: Place, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--shared", str(place.root), str(clone))
    sandbox = Sandbox(clone, home=place.home, limits=SMALL)
    outcome = await sandbox.run(
        Command("git log --format=%s && echo 1 > one && git add one && git commit -qm mine && git fsck")
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout.startswith("first\n")
    outcome = await sandbox.run(Command(f"touch {place.root}/.git/objects/x; cat {place.root}/README"))
    assert "Read-only" in outcome.stderr
    assert outcome.stdout == ""


async def test_a_linked_worktree_works_with_the_hooks_of_its_repository_read_only(place: Place, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(place.root, "worktree", "add", "--quiet", str(tree))
    sandbox = Sandbox(tree, home=place.home, limits=SMALL)
    outcome = await sandbox.run(Command("echo 1 > one && git add one && git commit -qm mine && git status --short"))
    assert (outcome.exit_code, outcome.stdout) == (0, ""), outcome.stderr
    for text in (
        f"echo evil > {place.root}/.git/hooks/pre-commit",
        "echo gitdir: /tmp/evil > .git",
        f"cat {place.root}/README",
    ):
        assert (await sandbox.run(Command(text))).exit_code != 0
    assert (place.root / "README").read_text() == "a project\n"
    shared = Sandbox(tree, home=place.home, limits=SMALL, shared=True)
    assert "refused" in (await shared.run(Command("git reset --hard"))).stderr


async def test_submodules_work_and_their_hooks_are_read_only_too(place: Place, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(place.root, part)
    git(place.root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part), "part")
    outcome = await place.run("git -C part log --format=%s && echo evil > .git/modules/part/hooks/pre-commit")
    assert outcome.stdout == "first\n"
    assert "Read-only" in outcome.stderr


LIES = {
    "alternates": ("cd .git/objects && mkdir -p info && echo {private}/.git/objects > info/alternates", "put back"),
    "a hooks path": ("git config core.hooksPath evil", "put back"),
    "a monitor": ("git config core.fsmonitor ./evil", "put back"),
    "an alias": ("git config alias.st '!./evil'", "put back"),
    "an include": ("printf '[include]\\n\\tpath = /tmp/evil\\n' >> .git/config", "put back"),
    "on one line": ("printf '[core] hooksPath = evil\\n' >> .git/config", "put back"),
    "over two lines": ("printf '[core]\\n\\thooks\\\\\\nPath = evil\\n' >> .git/config", "put back"),
    "a link": ("mv .git/config .git/c && ln -s {private}/.git/config .git/config", "put back"),
    "a pipe": ("mv .git/config .git/c && mkfifo .git/config", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
async def test_settings_that_would_act_outside_do_not_last(name: str, place: Place, tmp_path: Path) -> None:
    private = tmp_path / "private"
    shutil.copytree(place.root, private)
    (private / "secret.txt").write_text(SECRET)
    git(private, "add", ".")
    git(private, "commit", "--quiet", "--message", "secret")
    secret = git(private, "rev-parse", "HEAD")
    before = (place.root / ".git" / "config").read_text()
    text, words = LIES[name]
    outcome = await place.run(text.replace("{private}", str(private)))
    assert words in outcome.stderr
    assert not (place.root / ".git" / "objects" / "info" / "alternates").exists()
    if words:
        assert (place.root / ".git" / "config").read_text() == before
    assert SECRET not in (await place.run(f"timeout 0.5 git show {secret}")).stdout


async def test_settings_that_only_matter_to_git_last(place: Place) -> None:
    outcome = await place.run(
        "git config user.name x && git remote add origin /tmp/r && git config branch.main.remote origin"
    )
    assert outcome.stderr == ""
    assert git(place.root, "config", "--local", "user.name") == "x"


@pytest.mark.parametrize("way", ["gitdir: {private}/.git", "gitdir: /root", "gitdir: ../private/.git", "nonsense", ""])
def test_a_git_file_is_believed_only_where_the_other_side_confirms_it(way: str, place: Place, tmp_path: Path) -> None:
    private = tmp_path / "private"
    shutil.copytree(place.root, private)
    root = tmp_path / "root"
    root.mkdir()
    (root / ".git").write_text(way.replace("{private}", str(private)))
    places = git_places(root)
    assert places.folder is None
    assert [mount.kind for mount in places.mounts] == ["read"]


@pytest.mark.parametrize("lie", ["{outside}", "/", "/etc", "{outside}/objects", "../../../../outside", "#x", "\0"])
def test_objects_are_borrowed_only_from_repositories(lie: str, place: Place) -> None:
    (place.outside / "objects").mkdir()
    info = place.root / ".git" / "objects" / "info"
    info.mkdir(exist_ok=True)
    (info / "alternates").write_text(lie.replace("{outside}", str(place.outside)) + "\n")
    shown = [mount.path for mount in git_places(place.root).mounts if not mount.path.is_relative_to(place.root)]
    assert shown == []


@pytest.mark.parametrize("name", ["config", "HEAD", "commondir", "objects/info/alternates"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name: str, place: Place) -> None:
    path = place.root / ".git" / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    git_places(place.root)


async def test_a_workspace_without_a_repository_may_get_one(place: Place, tmp_path: Path) -> None:
    bare = tmp_path / "plain"
    bare.mkdir()
    sandbox = Sandbox(bare, home=place.home, limits=SMALL, shared=True)
    assert (await sandbox.run(Command("git init -q && touch f"))).exit_code == 0
    assert "Read-only" in (await sandbox.run(Command("echo x > .git/hooks/pre-commit"))).stderr
