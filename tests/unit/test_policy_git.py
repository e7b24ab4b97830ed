"""Git commands in a checkout that agents share: what changes it is refused unless a rule names it."""

from __future__ import annotations

import shlex

import pytest

from tenuto.workflows.policy.git import SHARED_GIT_COMMANDS, git_refusal
from tenuto.workflows.policy.programs import GIT_LEAVES_ALONE

from .policy_play import bash, rules

CHANGING = """
git stash
git stash push -m x
git stash pop
git stash drop
git stash clear
git stash -u
git reset --hard
git reset HEAD a.py
git checkout main
git checkout -- a.py
git checkout -b x
git switch -c x
git restore a.py
git clean -fdx
git clean -fd -n
git clean -f -e -n
git clean -en -f
git clean -n --no-dry-run -f
git commit -m x
git commit -am x
git commit -m --dry-run
git commit -m --help
git commit --amend --no-edit
git add .
git add -A -- -n
git stage a
git rm a
git mv a b
git rebase main
git rebase --abort
git merge x
git merge --abort
git pull
git cherry-pick x
git revert x
git am x
git apply --index x
git apply --cached x
git apply -3 x
git apply --ind x
git worktree add x
git worktree remove x
git bisect start
git bisect run x
git read-tree x
git update-index --refresh
git checkout-index -a
git symbolic-ref HEAD refs/heads/x
git symbolic-ref -d HEAD
git symbolic-ref --del HEAD
git update-ref refs/heads/x y
git branch -D x
git branch -m x
git branch -f x y
git branch --del x
git branch -vD x
git submodule update
git submodule deinit x
git sparse-checkout set x
git gc
git prune
git repack -ad
git reflog expire --all
git reflog delete x
git fetch -u . a:b
git filter-branch x
git subtree add x
git lfs pull
git mergetool
git replace a b
git co main
git -C sub stash
git -C sub reset --hard
git --git-dir=x stash
git --git-dir x --work-tree y stash
git --work-tree=. checkout x
git -c x=y stash
git -c user.name=x commit -m y
git -p stash
git -P stash
git --no-pager stash
git --no-optional-locks --literal-pathspecs stash
git --namespace x stash
git --bare stash
git -c alias.x=stash x
git -c alias.X=stash x
git -c alias.x=y -c alias.y='reset --hard' x
git -c alias.x='-C sub stash' x
git -c alias.x='"stash"' x
/usr/bin/git stash
git-stash
/usr/lib/git-core/git-reset --hard
""".strip().splitlines()

LOOKING = """
git
git status
git -C sub status
git --no-pager -c color.ui=never log -3
git log --oneline
git diff
git diff --cached
git diff HEAD~1 -- stash
git show HEAD
git show stash
git blame a
git branch
git branch --list
git branch -a
git branch -vv
git branch --show-current
git branch x
git stash list
git stash show -p
git checkout --help
git commit --help
git stash -h
git help stash
git --help
git --version
git --help stash
git worktree list
git submodule
git submodule status
git bisect log
git reflog
git reflog show main
git reflog -n 5
git fetch
git fetch origin main
git push origin x
git remote -v
git tag
git tag v1
git rev-parse HEAD
git ls-files
git grep stash
git config user.name
git cat-file -p x
git merge-base a b
git merge-tree a b
git apply x.patch
git apply --check x.patch
git add -n .
git add --dry-run .
git clean -n
git clean -nd
git commit --dry-run
git rm -n a
git symbolic-ref HEAD
git symbolic-ref --short HEAD
git sparse-checkout list
git clone . x
git init x
git -c alias.s='status -s' s
git -c alias.s=stash status
git lfs ls-files
git update-server-info
echo git stash
""".strip().splitlines()


@pytest.mark.parametrize("command", CHANGING)
def test_what_changes_a_shared_checkout_is_refused(command: str) -> None:
    assert git_refusal(shlex.split(command)) is not None
    refusal = bash(rules(), command, shared=True)
    assert refusal is not None
    assert refusal.rule is None
    assert "--allow" in refusal.remedy
    assert bash(rules(), command, shared=False) is None, "in a checkout of its own an agent may"


@pytest.mark.parametrize("command", LOOKING)
def test_what_leaves_a_shared_checkout_alone_runs(command: str) -> None:
    assert git_refusal(shlex.split(command)) is None
    assert bash(rules(), command, shared=True) is None


@pytest.mark.parametrize(
    "command",
    [
        "make && git stash",
        "cd sub; git reset --hard",
        "sudo git stash",
        "nohup git stash &",
        "echo a | xargs git add",
        "echo stash | xargs git",
        "sh -c 'git stash'",
        "bash -lc 'cd x && git stash'",
        "bash <<'E'\ngit stash\nE",
        "eval 'git stash'",
        "$(git stash)",
        "echo $(git stash)",
        "f() { git stash; }; f",
        "trap 'git stash' EXIT",
        "git $X",
        "git $X stash",
        "git -c alias.x='!git stash' x",
        "env GIT_DIR=x git stash",
        "GIT_WORK_TREE=x git checkout .",
        "git stash list; git stash",
        "find . -name x -exec git rm {} +",
        "git branch $X",
        "git submodule foreach 'git stash'",
        "alias x='git stash'; x",
    ],
)
def test_it_is_found_wherever_it_stands(command: str) -> None:
    assert bash(rules(), command, shared=True) is not None
    assert bash(rules(), command, shared=False) is None


@pytest.mark.parametrize(
    ("rule", "command", "allowed"),
    [
        ("Bash(git commit:*)", "git commit -m x", True),
        ("Bash(git commit:*)", "git -c user.name=x -C sub commit -m x", True),
        ("Bash(git commit *)", "make && git commit -m x", True),
        ("Bash(git commit:*)", "git add .", False),
        ("Bash(git commit:*)", "git commit -m x; git stash", False),
        ("Bash(git commit -m *)", "git commit --amend", False),
        ("Bash(git stash)", "git stash", True),
        ("Bash(git stash)", "git stash drop", False),
        ("Bash(git:*)", "git stash", True),
        ("Bash(git *)", "git stash", True),
        ("Bash", "git stash", False),
        ("Bash(*)", "git stash", False),
        ("Bash(* stash)", "git stash", False),
        ("Bash(gi*)", "git stash", False),
        ("Bash(git co:*)", "git co main", True),
        ("Bash(git commit:*)", "git -c alias.ci=commit ci -m x", True),
        ("Bash(git commit:*)", "git -c alias.commit=stash commit", True),
        ("Bash(git:*)", "git $X", False),
    ],
)
def test_only_a_rule_that_names_git_allows_it(rule: str, command: str, allowed: bool) -> None:
    assert (bash(rules([rule]), command, shared=True) is None) == allowed


def test_an_agent_cannot_name_for_itself_what_the_run_does_not() -> None:
    assert bash(rules().narrowed(["Bash(git commit:*)"]), "git commit -m x", shared=True) is not None
    assert bash(rules(["Bash(git commit:*)"]).narrowed(["Bash"]), "git commit -m x", shared=True) is None
    assert bash(rules(["Bash(git commit:*)"]).narrowed(["!Bash(git:*)"]), "git commit -m x", shared=True) is not None


def test_what_stands_in_front_of_git_knows_the_commands_that_rules_name() -> None:
    judged = rules(["Bash(git commit:*)", "Bash(git add -A)"])
    assert set(judged.git_allowed()) == {"commit", "add"}
    assert set(rules(["Bash(git *)"]).git_allowed()) == set(SHARED_GIT_COMMANDS)
    assert rules(["Bash"]).git_allowed() == ()
    assert git_refusal(["git", "commit", "-m", "x"], judged.git_allowed()) is None
    assert git_refusal(["git", "stash"], judged.git_allowed()) is not None
    assert git_refusal([]) is None
    assert git_refusal(["ls"]) is None


def test_a_refusal_says_what_to_do_instead() -> None:
    refusal = bash(rules(), "git stash", shared=True)
    assert refusal is not None
    assert "`git stash`" in refusal.message
    assert "git status, diff" in refusal.message
    assert "--allow 'Bash(git stash:*)'" in refusal.remedy
    alias = bash(rules(), "git co main", shared=True)
    assert alias is not None
    assert "not one of git's own commands" in alias.message


def test_no_command_is_in_both_lists() -> None:
    assert not set(SHARED_GIT_COMMANDS) & GIT_LEAVES_ALONE
