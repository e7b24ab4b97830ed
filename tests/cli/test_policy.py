"""`run` and its policy: refused at once or not at all, from every source, with one line a finding."""

from __future__ import annotations

import json

import pytest

from .command import Tenuto

HEAD = "export const meta = { name: 'n', description: 'd' };\n"

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("await agent('x', { tools: ['WebSearch'] });", "s.js:2: agent() names WebSearch"),
        ("\nawait sh('git stash');", "s.js:3: sh() runs 'git stash'"),
        ("await gate('git reset --hard');", "s.js:2: gate() runs"),
        ("await untilGreen('git clean -fdx', () => agent('mend it'));", "s.js:2: untilGreen() runs"),
        ("await mcp('github', 'get');", "s.js:2: mcp() names mcp__github__get"),
        ("await agent('x', { tools: ['Bsh'] });", "did you mean Bash?"),
    ],
)
def test_what_the_policy_refuses_is_told_before_anything_starts(tenuto: Tenuto, body: str, said: str) -> None:
    tenuto.script("s.js", HEAD + body)
    done = tenuto("run", "s.js", "--simulate", "--json")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert said in lines[0]
    assert "nothing was started" in lines[1]
    assert done.stdout == ""
    assert not tenuto.home.exists()


def test_python_scripts_are_looked_at_likewise(tenuto: Tenuto) -> None:
    text = 'from tenuto import Meta, agent\nmeta = Meta(name="n", description="d")\n'
    tenuto.script("s.py", text + 'async def main(args):\n    return await agent("x", tools=["Read", "WebSearch"])\n')
    done = tenuto("run", "s.py", "--simulate")
    assert done.returncode == 2
    assert (
        "s.py:4: agent() names WebSearch, which this run does not allow; allow it with --allow WebSearch" in done.stderr
    )


def test_all_findings_are_shown_at_once(tenuto: Tenuto) -> None:
    tenuto.script("s.js", HEAD + "await agent('x', { tools: ['WebSearch', 'mcp__a'] });\nawait sh('git stash');")
    done = tenuto("run", "s.js", "--simulate")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--allow", "Bsh"], "--allow: the rule 'Bsh' is not known"),
        (["--allow", "Bash("], "expected a tool"),
        (["--deny", "WebFetch(x)"], "--deny: the rule 'WebFetch(x)'"),
        (["--deny", "Bash(npm:*)"], "s.js:2: sh() runs 'npm test', which the rule Bash(npm:*) denies"),
    ],
)
def test_rules_of_flags(tenuto: Tenuto, words: list[str], said: str) -> None:
    tenuto.script("s.js", HEAD + "await sh('npm test');")
    done = tenuto("run", "s.js", "--simulate", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_in_tenuto_toml_is_one_line(tenuto: Tenuto) -> None:
    tenuto.script("s.js", HEAD)
    (tenuto.folder / "tenuto.toml").write_text('allow = ["Bsh(ls)"]\n')
    done = tenuto("run", "s.js", "--simulate")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "did you mean Bash?" in done.stderr
    assert "tenuto.toml" in done.stderr


def test_allowed_by_any_source_the_script_runs(shared: Tenuto) -> None:
    shared.script(
        "s.js", HEAD + "const f = () => agent('x', { tools: ['WebSearch', 'mcp__a', 'WebFetch'] });\nreturn 1;"
    )
    claude = shared.folder / ".claude"
    claude.mkdir(exist_ok=True)
    (claude / "settings.json").write_text(json.dumps({"permissions": {"allow": ["WebFetch", "Skill(x)"]}}))
    (shared.folder / "tenuto.toml").write_text('allow = ["mcp__a"]\n')
    try:
        done = shared("run", "s.js", "--simulate", "--allow", "WebSearch")
        assert done.returncode == 0, done.stderr
        assert "permissions.allow: Skill(x): no rules here" in done.stderr
        refused = shared("run", "s.js", "--simulate", "--allow", "WebSearch", "--deny", "WebFetch")
        assert refused.returncode == 2
    finally:
        (claude / "settings.json").unlink()
        (shared.folder / "tenuto.toml").unlink()


def test_an_agent_goes_without_the_tools_of_its_definition_that_the_run_refuses(shared: Tenuto) -> None:
    agents = shared.folder / ".claude" / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    definition = agents / "searcher.md"
    definition.write_text("---\nname: searcher\ndescription: d\ntools: Read, WebSearch, TodoWrite\n---\nSearch.\n")
    shared.script("s.js", HEAD + "const f = () => agent('x', { agentType: 'searcher' });\nreturn 1;")
    try:
        done = shared("run", "s.js", "--simulate")
        assert done.returncode == 0, done.stderr
        assert (
            "agent definition searcher (.claude/agents/searcher.md) lists tools that this run withholds" in done.stderr
        )
        assert "WebSearch (allow it with --allow WebSearch); TodoWrite (it is no tool here)" in done.stderr
        allowed = shared("run", "s.js", "--simulate", "--allow", "WebSearch")
        assert "WebSearch (" not in allowed.stderr
    finally:
        definition.unlink()
