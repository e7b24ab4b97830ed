"""Named agents: where they are found, and how their files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.instructions.agent_definitions import load_definitions, parse_definition
from tenuto.activities.instructions.front_matter import FrontMatterError
from tenuto.workflows.setup_contracts import AgentDefinition


def definition(front: str, body: str = "Be good.\n") -> AgentDefinition:
    return parse_definition(f"---\n{front}\n---\n\n{body}", "x.md")


def test_a_definition_is_read() -> None:
    found = definition("name: reviewer\ndescription: Reviews.\ntools: Read, Grep\nmodel: opus\ncolor: red")
    assert found == AgentDefinition(
        name="reviewer", description="Reviews.", prompt="Be good.", tools=["Read", "Grep"], model="opus", path="x.md"
    )


@pytest.mark.parametrize(
    ("front", "tools", "disallowed"),
    [
        ("", None, []),
        ("tools:", None, []),
        ("tools: '*'", None, []),
        ("tools: []", [], []),
        ("tools: ''", [], []),
        ("tools: Read", ["Read"], []),
        ("tools: Read,Grep , Glob", ["Read", "Grep", "Glob"], []),
        ("tools: [Read, Grep]", ["Read", "Grep"], []),
        ("tools:\n  - Read\n  - Bash(git log:*)", ["Read", "Bash(git log:*)"], []),
        ("tools: Bash(git log:*, git show:*), Read", ["Bash(git log:*, git show:*)", "Read"], []),
        ("tools: mcp__github__search, mcp__x", ["mcp__github__search", "mcp__x"], []),
        ("disallowedTools: Write, Edit", None, ["Write", "Edit"]),
        ("tools: Read\ndisallowedTools: [Bash]", ["Read"], ["Bash"]),
    ],
)
def test_tools_are_text_or_a_list(front: str, tools: list[str] | None, disallowed: list[str]) -> None:
    found = definition(f"name: a\n{front}")
    assert (found.tools, found.disallowed) == (tools, disallowed)


@pytest.mark.parametrize(
    ("front", "description"),
    [
        ("description: 'Quoted: yes'", "Quoted: yes"),
        ("description: Use this when: always", "Use this when: always"),
        ("description: Use it.\\n\\nExamples:\\n<example>Context: x", "Use it.\\n\\nExamples:\\n<example>Context: x"),
        ("description: one: 1\n  goes on: here", "one: 1\ngoes on: here"),
        ("description: |\n  two\n  lines: 2", "two\nlines: 2"),
        ("description: >\n  folded\n  text", "folded text"),
        ("description: a # b", "a"),
        ('description: She said "so": well', 'She said "so": well'),
        ("description: 3", ""),
    ],
)
def test_descriptions_are_read_as_people_write_them(front: str, description: str) -> None:
    found = definition(f"name: a\n{front}\ntools: Read")
    assert found.description == description
    assert found.tools == ["Read"]


@pytest.mark.parametrize(
    ("model", "kept"), [("inherit", None), ("", None), ("sonnet", "sonnet"), ("claude-x", "claude-x")]
)
def test_a_model_is_kept_unless_it_is_inherited(model: str, kept: str | None) -> None:
    assert definition(f"name: a\nmodel: {model}").model == kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not begin with front matter"),
        ("# Read me", "does not begin with front matter"),
        ("---\nname: x\n", "does not begin with front matter"),
        ("---\n- a\n---\n", "no YAML mapping"),
        ("---\n---\n", "no `name`"),
        ("---\nname: [a]\n---\n", "no `name`"),
        ("---\nname: a\ntools: 3\n---\n", "`tools` is neither"),
        ("---\nname: a\ntools: [{a: 1}]\n---\n", "`tools` is neither"),
        ("---\nname: a\nmodel: [b]\n---\n", "`model` is no text"),
        ("---\nname: {\n---\n", "no YAML"),
        ("---\nname: !!python/object/apply:os.system ['true']\n---\n", "no YAML"),
        ("---\nname: 'x\n---\n", "no YAML"),
        ("---\nname: " + "[" * 5000 + "\n---\n", "no YAML"),
    ],
)
def test_what_is_no_definition_says_why(text: str, words: str) -> None:
    with pytest.raises(FrontMatterError, match=words) as caught:
        parse_definition(text, "x.md")
    assert "\n" not in str(caught.value)


def test_a_date_that_is_none_spoils_nothing() -> None:
    assert definition("name: a\nwhen: 2001-99-99").name == "a"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "inner").mkdir()
    return tmp_path / "repository" / "inner"


def save(folder: Path, file: str, name: str, **more: Any) -> None:
    path = folder / ".claude" / "agents" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"---\nname: {name}\n" + "".join(f"{key}: {value}\n" for key, value in more.items()) + "---\nPrompt."
    )


def test_the_nearest_wins(home: Path, workspace: Path) -> None:
    save(home, "a.md", "reviewer", description="users")
    save(home, "deep/b.md", "other")
    save(workspace.parent, "c.md", "reviewer", description="root")
    save(workspace.parent, "d.md", "Explore", description="mine")
    found, notices = load_definitions(workspace, home)
    assert found["reviewer"].description == "root"
    assert found["other"].path == "~/.claude/agents/deep/b.md"
    assert found["Explore"].description == "mine" and found["Explore"].tools is None
    save(workspace, "e.md", "reviewer", description="nearest")
    found, notices = load_definitions(workspace, home)
    assert found["reviewer"].description == "nearest"
    assert found["reviewer"].path == "inner/.claude/agents/e.md"
    assert notices == []


def test_built_in_agents_are_always_there(home: Path) -> None:
    found, notices = load_definitions(None, home)
    assert list(found) == ["general-purpose", "Explore", "Plan"] and notices == []
    for name in ("Explore", "Plan"):
        assert not {"Write", "Edit", "Bash"} & set(found[name].tools or ["Bash"])


def test_a_broken_file_is_a_notice_and_no_more(home: Path, workspace: Path, tmp_path: Path) -> None:
    save(workspace, "good.md", "good")
    folder = workspace / ".claude" / "agents"
    (folder / "README.md").write_text("# About")
    (folder / "binary.md").write_bytes(b"\0")
    (folder / "huge.md").write_text("x" * 300_000)
    (folder / "folder.md").mkdir()
    (tmp_path / "outside.md").write_text("---\nname: outside\n---\nThe secret.")
    (folder / "out.md").symlink_to(tmp_path / "outside.md")
    found, notices = load_definitions(workspace, home)
    assert "good" in found and "outside" not in found
    assert len(notices) == 4
    assert all("inner/.claude/agents/" in notice and "\n" not in notice for notice in notices)


def test_the_user_s_own_may_be_links(home: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "x.md").write_text("---\nname: linked\n---\nPrompt.")
    (home / ".claude" / "agents").mkdir(parents=True)
    (home / ".claude" / "agents" / "x.md").symlink_to(tmp_path / "dotfiles" / "x.md")
    assert "linked" in load_definitions(None, home)[0]
