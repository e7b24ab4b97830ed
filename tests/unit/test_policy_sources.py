"""A run's rules are collected from flags, tenuto.toml and Claude Code's settings, with paths that hold anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.config import Settings, UsageError
from tenuto.worker.policy_sources import run_policy
from tenuto.workflows.policy.decide import DEFAULT_ALLOW, Rules
from tenuto.workflows.setup_contracts import Policy


class Machine:
    """A home and a project, as files."""

    def __init__(self, root: Path) -> None:
        self.home, self.project = root / "home", root / "project"
        for folder in (self.home / ".claude", self.project / ".claude", self.project / ".git", self.project / "sub"):
            folder.mkdir(parents=True)
        self.notices: list[str] = []

    def claude(self, path: Path, **permissions: Any) -> None:
        (path / ".claude" / "settings.json").write_text(json.dumps({"permissions": permissions, "model": "opus"}))

    def toml(self, text: str, folder: Path | None = None) -> None:
        ((folder or self.project) / "tenuto.toml").write_text(text)

    def settings(self, workspace: Path | None = None) -> Settings:
        return Settings.load(workspace or self.project, {"TENUTO_HOME": str(self.home / ".tenuto")})

    def policy(self, workspace: Path | None = None, allow: Sequence[str] = (), deny: Sequence[str] = ()) -> Policy:
        where = workspace or self.project
        return run_policy(self.settings(where), where, allow=allow, deny=deny, notice=self.notices.append, environ={})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path.resolve())
    monkeypatch.setenv("HOME", str(made.home))
    return made


def test_without_any_source_the_default_holds(machine: Machine) -> None:
    assert machine.policy() == Policy(allow=list(DEFAULT_ALLOW), deny=[], sandbox=True)
    assert machine.notices == []


def test_every_source_adds_rules(machine: Machine) -> None:
    machine.toml('allow = ["WebSearch"]\ndeny = ["Bash(rm:*)"]\n')
    machine.claude(machine.project, allow=["WebFetch(domain:a.org)"], deny=["Read(./.env)"])
    machine.claude(machine.home, allow=["mcp__github"], deny=["Bash(curl *)"])
    local = machine.project / ".claude" / "settings.local.json"
    local.write_text(json.dumps({"permissions": {"allow": ["Bash(git add:*)"]}}))
    policy = machine.policy(allow=["Network(example.org)"], deny=["Bash(git push:*)"])
    assert policy.allow == [
        *DEFAULT_ALLOW,
        *("Network(example.org)", "WebSearch", "WebFetch(domain:a.org)", "Bash(git add:*)", "mcp__github"),
    ]
    assert policy.deny == ["Bash(git push:*)", "Bash(rm:*)", "Read(./.env)", "Bash(curl *)"]
    assert machine.notices == []


def test_paths_hold_wherever_the_rule_was_written(machine: Machine) -> None:
    machine.claude(machine.project, deny=["Read(/src/**)", "Read(x/**)", "Read(./y)", "Read(~/z)", "Read(//etc/**)"])
    machine.claude(machine.home, deny=["Read(/s)", f"Edit(/{machine.project}/lock)"])
    assert machine.policy().deny == [
        *("Read(./src/**)", "Read(x/**)", "Read(./y)", f"Read(/{machine.home}/z)", "Read(//etc/**)"),
        *(f"Read(/{machine.home}/.claude/s)", "Edit(./lock)"),
    ]


def test_a_rule_of_the_project_above_the_workspace_is_from_there(machine: Machine) -> None:
    machine.claude(machine.project, deny=["Read(/sub/a)", "Read(/other)", "Read(/**)"])
    machine.toml('deny = ["Edit(/sub/b)"]')
    sub = machine.project / "sub"
    policy = machine.policy(sub)
    assert policy.deny == ["Edit(./b)", "Read(./a)", f"Read(/{machine.project}/other)", f"Read(/{machine.project}/**)"]
    judged = Rules.of(policy, origin=str(sub))
    for place in (str(sub), "/clones/a1"):
        refusal = judged.decide("Read", {"file_path": "x"}, workspace=place, shared=False)
        assert refusal is not None, "a clone's files are judged as those they are copies of"


def test_names_with_pattern_characters_are_meant_as_they_are(tmp_path: Path, machine: Machine) -> None:
    odd = machine.project / "a[b]*"
    (odd / ".claude").mkdir(parents=True)
    (odd / ".git").mkdir()
    machine.claude(odd, deny=["Read(/src/**)"])
    assert machine.policy(odd).deny == ["Read(./src/**)"]


def test_outside_of_a_repository_only_the_workspace_itself_counts(tmp_path: Path, machine: Machine) -> None:
    plain = machine.home / "plain"
    plain.mkdir()
    machine.claude(machine.home, allow=["WebSearch"], deny=["Read(/x)"])
    policy = machine.policy(plain)
    assert policy.deny == [f"Read(/{machine.home}/.claude/x)"], "read once, as the user's"
    assert "WebSearch" in policy.allow


def test_ask_counts_as_not_allowed_unless_a_flag_allows_it(machine: Machine) -> None:
    machine.claude(machine.project, allow=["WebSearch"], ask=["WebSearch", "Bash(git push:*)", "mcp__a"])
    assert machine.policy().deny == ["WebSearch", "Bash(git push:*)", "mcp__a"]
    assert len(machine.notices) == 1
    assert "permissions.ask: WebSearch, Bash(git push:*), mcp__a" in machine.notices[0]
    policy = machine.policy(allow=["WebSearch", "Bash( git  push:*)"])
    assert policy.deny == ["mcp__a"]
    assert Rules.of(policy).offers("WebSearch")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('"x"', "cannot be read"),
        ('{"permissions": []}', "cannot be read"),
        ('{"permissions": {"allow": "WebSearch"}}', "is no list"),
        ('{"permissions": {"allow": ["Skill(x)", "Bash(", 3, null, "mcp__*"]}}', "Skill(x), Bash(, 3, None, mcp__*"),
        ('{"permissions": {"deny": ["Agent(x)", "Bash(rm"]}}', "permissions.deny: Agent(x), Bash(rm"),
        ("\ufeff{}", None),
        ('{"permissions": null}', "cannot be read"),
        ('{"permissions": {"allow": null, "defaultMode": "bypassPermissions", "additionalDirectories": ["/"]}}', None),
        ("{" * 100_000, "cannot be read"),
    ],
    ids=range(11),
)
def test_a_file_of_another_program_is_never_fatal(machine: Machine, text: str, said: str | None) -> None:
    (machine.project / ".claude" / "settings.json").write_text(text)
    assert machine.policy().allow == list(DEFAULT_ALLOW)
    assert len(machine.notices) == (said is not None)
    if said is not None:
        assert said in machine.notices[0]
        assert "\n" not in machine.notices[0]
        assert "settings.json" in machine.notices[0]


def test_many_rules_that_are_none_make_one_line(machine: Machine) -> None:
    machine.claude(machine.project, allow=[f"Skill({n})" for n in range(40)])
    machine.policy()
    assert len(machine.notices) == 1
    assert "and 34 more" in machine.notices[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('allow = "WebSearch"', "a list of texts"),
        ("allow = [3]", "a list of texts"),
        ('allow = ["Bsh"]', "did you mean Bash?"),
        ('deny = ["Bash("]', "expected a tool"),
        ('denny = ["Bash"]', "unknown setting 'denny'"),
        ('workspace = "x"', "expected a table"),
        ('[workspace]\nset_up = "x"', "unknown setting 'set_up'"),
        ("[workspace]\nsetup = 3", "expected text"),
        ('[workspace]\nuntracked = ".env"', "a list of texts"),
        ('[workspace]\nuntracked = ["/etc"]', "paths within the workspace"),
        ('[workspace]\nuntracked = ["a/../../b"]', "paths within the workspace"),
    ],
)
def test_a_mistake_in_our_own_file_is_one_line_with_its_place(machine: Machine, text: str, said: str) -> None:
    machine.toml(text)
    with pytest.raises(UsageError) as caught:
        machine.settings()
    assert said in str(caught.value)
    assert "tenuto.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_flag_is_told_with_the_flag(machine: Machine) -> None:
    with pytest.raises(UsageError, match="--allow: the rule 'Bsh' is not known"):
        machine.policy(allow=["Bsh"])
    with pytest.raises(UsageError, match=r"--deny: the rule 'Read\(../x\)'"):
        machine.policy(deny=["Read(../x)"])


def test_what_one_file_denies_another_does_not_allow_again(machine: Machine) -> None:
    (machine.home / ".tenuto").mkdir()
    machine.toml('allow = ["WebSearch"]\ndeny = ["Bash(rm:*)"]')
    machine.toml('allow = ["WebFetch"]\ndeny = ["WebSearch", "mcp__*"]', machine.home / ".tenuto")
    policy = machine.policy()
    assert policy.deny == ["Bash(rm:*)", "WebSearch", "mcp__*"]
    assert "WebFetch" not in policy.allow, "the project's list stands before the user's"


def test_how_a_clone_is_prepared_comes_from_our_file(machine: Machine) -> None:
    machine.toml('[workspace]\nsetup = "npm ci"\nuntracked = [".env", "web/node_modules"]')
    settings = machine.settings()
    assert (settings.setup, settings.untracked) == ("npm ci", (".env", "web/node_modules"))
    assert machine.settings(machine.home).setup is None
