"""Standing instructions: which files count, what they import, and what stays outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tenuto.activities.instructions.claude_md import INSTRUCTIONS_BYTES_MAX, Instructions, collect_instructions
from tenuto.activities.instructions.imports import imports


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".claude").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "packages" / "one").mkdir(parents=True)
    return tmp_path / "repository"


def plant(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def headings(instructions: Instructions) -> list[str]:
    return [line.removeprefix("# ") for line in instructions.text.split("\n") if line.startswith("# ")]


def test_files_from_the_user_s_down_to_the_workspace(home: Path, repository: Path, tmp_path: Path) -> None:
    plant(tmp_path, **{"CLAUDE.md": "above the repository"})
    plant(home, **{".claude/CLAUDE.md": "users"})
    plant(repository, **{"CLAUDE.md": "root", "CLAUDE.local.md": "root local", "AGENTS.md": "not read"})
    plant(repository / "packages", **{"AGENTS.md": "middle"})
    plant(repository / "packages" / "one", **{".claude/CLAUDE.md": "nearest", "CLAUDE.local.md": "local"})
    found = collect_instructions(repository / "packages" / "one", home)
    assert found.text == (
        "# ~/.claude/CLAUDE.md (the user's own)\n\nusers\n\n"
        "# CLAUDE.md (the project's)\n\nroot\n\n"
        "# CLAUDE.local.md (the user's own for this project)\n\nroot local\n\n"
        "# packages/AGENTS.md (the project's)\n\nmiddle\n\n"
        "# packages/one/.claude/CLAUDE.md (the project's)\n\nnearest\n\n"
        "# packages/one/CLAUDE.local.md (the user's own for this project)\n\nlocal"
    )
    assert found.notices == []


def test_nothing_gives_nothing(home: Path, repository: Path) -> None:
    assert collect_instructions(repository, home) == Instructions("", [])
    plant(home, **{".claude/CLAUDE.md": "  \n"})
    assert collect_instructions(None, home) == Instructions("", [])


def test_outside_of_a_repository_only_the_workspace_counts(home: Path, tmp_path: Path) -> None:
    plant(tmp_path / "plain", **{"CLAUDE.md": "above", "inner/AGENTS.md": "here"})
    assert headings(collect_instructions(tmp_path / "plain" / "inner", home)) == ["AGENTS.md (the project's)"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@a.md", ["a.md"]),
        ("See @docs/a.md and @b.md.", ["docs/a.md", "b.md."]),
        ("- @a.md\n    - @b.md\n> @c.md\n\n# @d.md", ["a.md", "b.md", "c.md", "d.md"]),
        ("`@a.md` and ``x @b.md`` but @c.md", ["c.md"]),
        ("```\n@a.md\n```\n~~~md\n@b.md\n~~~\n@c.md", ["c.md"]),
        ("text\n\n    @indented.md\n", []),
        ("mail me@example.com, x@y", []),
        ("<!-- @a.md -->\n\n@b.md", ["b.md"]),
        ("@~/x.md @/abs/y.md @../up.md", ["~/x.md", "/abs/y.md", "../up.md"]),
        (r"@with\ space.md", ["with space.md"]),
        ("@src/__init__.py_x and @a_b_c.md", ["src/__init__.py_x", "a_b_c.md"]),
        ("@node_modules/@types/x.md", ["node_modules/@types/x.md"]),
        ("one\n@two.md\nthree", ["two.md"]),
        ("@", []),
        ("a `b`@c.md", []),
        ("```\nnever closed\n@a.md", []),
    ],
)
def test_imports_are_found_outside_of_code(text: str, expected: list[str]) -> None:
    assert [spellings[0] for spellings in imports(text)] == expected


def test_imports_follow_the_file_that_names_them(home: Path, repository: Path) -> None:
    plant(
        repository,
        **{
            "CLAUDE.md": "top @docs/a.md, and @someone. Then (see @docs/b.md).",
            "docs/a.md": "a @sub/c.md",
            "docs/b.md": "b",
            "docs/sub/c.md": f"c @../b.md @{repository}/docs/d.md",
            "docs/d.md": "d",
        },
    )
    found = collect_instructions(repository, home)
    assert headings(found) == [
        "CLAUDE.md (the project's)",
        "docs/a.md (imported by CLAUDE.md)",
        "docs/sub/c.md (imported by docs/a.md)",
        "docs/b.md (imported by docs/sub/c.md)",
        "docs/d.md (imported by docs/sub/c.md)",
    ]
    assert found.notices == []


def test_circles_are_harmless_and_depth_is_five(home: Path, repository: Path) -> None:
    plant(repository, **{"CLAUDE.md": "@1.md", **{f"{n}.md": f"@{n + 1}.md @CLAUDE.md @{n}.md" for n in range(1, 10)}})
    assert len(headings(collect_instructions(repository, home))) == 6
    (repository / "CLAUDE.local.md").symlink_to("CLAUDE.md")
    assert len(headings(collect_instructions(repository, home))) == 6, "one file by two names is one file"


def test_a_project_s_import_stays_in_the_repository(home: Path, repository: Path, tmp_path: Path) -> None:
    plant(tmp_path, secret="the secret")
    plant(home, **{".ssh/key": "the secret"})
    (repository / "link.md").symlink_to(tmp_path / "secret")
    (repository / "folder").symlink_to(tmp_path)
    plant(repository, **{"CLAUDE.md": f"@../secret @{tmp_path}/secret @~/.ssh/key @link.md @folder/secret @/no/such"})
    plant(repository / "packages" / "one", **{"CLAUDE.md": "@../../shared.md"})
    plant(repository, **{"shared.md": "shared in the repository"})
    found = collect_instructions(repository / "packages" / "one", home)
    assert "the secret" not in found.text
    assert "shared in the repository" in found.text
    assert len(found.notices) == 5 and all("leads out of the project" in notice for notice in found.notices)


def test_an_instruction_file_that_is_a_link_out_is_left_out(home: Path, repository: Path, tmp_path: Path) -> None:
    plant(tmp_path, secret="the secret")
    (repository / "CLAUDE.md").symlink_to(tmp_path / "secret")
    found = collect_instructions(repository, home)
    assert found.text == "" and len(found.notices) == 1
    (repository / "CLAUDE.md").unlink()
    plant(repository, **{"AGENTS.md": "agents"})
    (repository / "CLAUDE.md").symlink_to("AGENTS.md")
    assert "agents" in collect_instructions(repository, home).text


def test_the_user_s_own_file_may_import_from_anywhere(home: Path, repository: Path, tmp_path: Path) -> None:
    plant(tmp_path, **{"elsewhere/notes.md": "notes @more.md", "elsewhere/more.md": "more", "secret": "the secret"})
    plant(home, **{".claude/CLAUDE.md": f"@~/own.md @{tmp_path}/elsewhere/notes.md @{repository}/trap.md"})
    plant(home, **{"own.md": "own"})
    plant(repository, **{"trap.md": f"trap @{tmp_path}/secret"})
    found = collect_instructions(repository, home)
    assert [heading.split(" ")[0] for heading in headings(found)] == [
        "~/.claude/CLAUDE.md",
        "~/own.md",
        f"{tmp_path}/elsewhere/notes.md",
        f"{tmp_path}/elsewhere/more.md",
        "trap.md",
    ]
    assert "the secret" not in found.text, "a file of the project opens no way out, whoever imports it"


def test_too_much_is_cut_and_said_and_the_nearest_is_kept(home: Path, repository: Path) -> None:
    plant(home, **{".claude/CLAUDE.md": "u" * 80_000})
    plant(repository, **{"CLAUDE.md": "é" * 40_000, "packages/one/CLAUDE.md": "n" * 10_000})
    found = collect_instructions(repository / "packages" / "one", home)
    assert len(found.text.encode()) <= INSTRUCTIONS_BYTES_MAX
    assert "n" * 10_000 in found.text and "é" * 40_000 in found.text and "uuu" in found.text
    assert found.notices == [
        "the instructions are longer than 100 KB; cut or left out: ~/.claude/CLAUDE.md (the user's own)"
    ]


def test_what_is_no_text_is_left_out_and_said(home: Path, repository: Path) -> None:
    os.mkfifo(repository / "CLAUDE.md")
    plant(repository / "packages", **{"CLAUDE.md": "x" * 300_000})
    (repository / "packages" / "one" / "CLAUDE.md").write_bytes(b"a\0b")
    found = collect_instructions(repository / "packages" / "one", home)
    assert found.text == ""
    assert len(found.notices) == 3
    assert "named pipe" in found.notices[0] and "bytes" in found.notices[1] and "no text" in found.notices[2]
    (repository / "packages" / "one" / "CLAUDE.md").write_bytes(b"\xef\xbb\xbfcaf\xe9\r\nx")
    assert collect_instructions(repository / "packages" / "one", home).text.endswith("caf\ufffd\nx")


def test_names_that_no_file_can_have_are_text(home: Path, repository: Path) -> None:
    plant(repository, **{"CLAUDE.md": f"@{'x' * 300} @{'a/' * 3000} @\ufffd @folder", "folder/x": ""})
    found = collect_instructions(repository, home)
    assert len(headings(found)) == 1 and found.notices == []
