"""Which files a walk gives: what git ignores is left out, with git's own rules, in repositories and outside."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tenuto.activities.workspace.confined import ConfinedFiles
from tenuto.activities.workspace.files import OutsideWorkspace

ENVIRON = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *arguments], cwd=folder, env=ENVIRON, check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _no_excludes_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")


def plant(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    root.mkdir()
    plant(
        root,
        **{
            ".gitignore": "*.log\n/build\nnode_modules/\n!keep.log\ndocs/*.tmp\n",
            "a.py": "",
            "x.log": "",
            "keep.log": "",
            "build/out.py": "",
            "src/build/in.py": "",
            "src/.gitignore": "secret*\n!/secret_not\n",
            "src/secret.py": "",
            "src/secret_not": "",
            "src/deep/secret.py": "",
            "src/deep/secret_not": "",
            "src/deep/.gitignore": "!secret.py\n",
            "docs/a.tmp": "",
            "docs/deep/a.tmp": "",
            "node_modules/m/index.js": "",
            "pkg/node_modules/m/index.js": "",
            ".env": "",
            "with space/é.txt": "",
        },
    )
    return root


SEEN = [
    ".env",
    ".gitignore",
    "a.py",
    "docs/deep/a.tmp",
    "keep.log",
    "src/.gitignore",
    "src/build/in.py",
    "src/deep/.gitignore",
    "src/deep/secret.py",
    "src/secret_not",
    "with space/é.txt",
]


def walked(root: Path, pattern: str = "**", under: str = ".") -> list[str]:
    return [info.path for info in ConfinedFiles(root).walk(pattern, under)]


@pytest.mark.parametrize("repository", ["none", "fresh", "committed", "broken"])
def test_ignored_files_are_left_out(root: Path, repository: str) -> None:
    if repository != "none":
        git(root, "init")
    if repository == "committed":
        git(root, "add", ".")
        git(root, "commit", "-m", "x")
    if repository == "broken":
        (root / ".git" / "HEAD").write_text("nonsense")
    assert walked(root) == SEEN


def test_tracked_files_are_there_whatever_the_rules_say(root: Path) -> None:
    git(root, "init")
    git(root, "add", "-f", "x.log", "build/out.py")
    assert [path for path in walked(root) if path not in SEEN] == ["build/out.py", "x.log"]


def test_excludes_of_the_repository_count(root: Path) -> None:
    git(root, "init")
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "exclude").write_text("a.py\n")
    assert "a.py" not in walked(root)


@pytest.mark.parametrize("repository", [True, False])
@pytest.mark.parametrize(
    ("pattern", "under", "found"),
    [
        ("node_modules/**", ".", ["node_modules/m/index.js"]),
        ("**/*.js", "node_modules", ["node_modules/m/index.js"]),
        ("**/*.js", ".", []),
        ("pkg/**/*.js", ".", []),
        ("pkg/node_modules/*/*.js", ".", ["pkg/node_modules/m/index.js"]),
        ("x.log", ".", ["x.log"]),
        ("*.log", ".", ["keep.log"]),
        ("{x,keep}.log", ".", ["keep.log", "x.log"]),
        ("build/*", ".", ["build/out.py"]),
        ("*", "src/deep", ["src/deep/.gitignore", "src/deep/secret.py"]),
        ("src/deep/*", ".", ["src/deep/.gitignore", "src/deep/secret.py"]),
        ("nowhere/**", ".", []),
        ("nowhere", ".", []),
        ("a.py/*", ".", []),
        ("{root}/*.py", ".", ["a.py"]),
        ("*.py", "{root}/src/build", ["src/build/in.py"]),
    ],
)
def test_what_a_pattern_names_is_there(
    root: Path, repository: bool, pattern: str, under: str, found: list[str]
) -> None:
    if repository:
        git(root, "init")
    assert walked(root, pattern.replace("{root}", str(root)), under.replace("{root}", str(root))) == found


@pytest.mark.parametrize(
    "pattern", ["**", ".git/**", ".git/config", "**/config", ".git/*", "{.git,src}/config", "link/*"]
)
def test_git_s_own_folder_is_never_walked(root: Path, pattern: str) -> None:
    git(root, "init")
    (root / "link").symlink_to(".git")
    assert not [path for path in walked(root, pattern) if "config" in path or path.startswith(".git/")]
    assert not walked(root, "**", ".git")


def test_a_workspace_within_a_repository_follows_its_rules(root: Path) -> None:
    git(root, "init")
    (root / ".gitignore").write_text("*.tmp\n")
    plant(root, **{"pkg/a.tmp": "", "pkg/a.txt": ""})
    assert walked(root / "pkg") == ["a.txt", "node_modules/m/index.js"]


def test_a_workspace_that_is_ignored_as_a_whole_is_seen(root: Path) -> None:
    """A home directory may be a repository that ignores everything."""
    git(root, "init")
    (root / ".gitignore").write_text("*\n")
    plant(root, **{"pkg/a.log": "", "pkg/.gitignore": "*.log\n", "pkg/b.txt": ""})
    assert walked(root / "pkg") == [".gitignore", "b.txt", "node_modules/m/index.js"]


def test_repositories_within_are_looked_into(root: Path, tmp_path: Path) -> None:
    git(root, "init")
    (tmp_path / "library").mkdir()
    plant(tmp_path / "library", **{"lib.py": "", ".gitignore": "*.o\n"})
    git(tmp_path / "library", "init")
    git(tmp_path / "library", "add", ".")
    git(tmp_path / "library", "commit", "-m", "x")
    git(root, "submodule", "add", str(tmp_path / "library"), "vendor/library")
    plant(root, **{"vendor/library/a.o": "", "vendor/library/new.py": "", "clone/c.py": "", "clone/c.log": ""})
    git(root / "clone", "init")
    assert [path for path in walked(root) if path not in SEEN] == [
        ".gitmodules",
        "clone/c.log",
        "clone/c.py",
        "vendor/library/.gitignore",
        "vendor/library/lib.py",
        "vendor/library/new.py",
    ]
    assert walked(root, "vendor/**/*.py") == ["vendor/library/lib.py", "vendor/library/new.py"]


def test_links_are_not_followed_and_only_files_are_given(root: Path, tmp_path: Path) -> None:
    git(root, "init")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.py").write_text("")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to("src")
    (root / "b.py").symlink_to("a.py")
    os.mkfifo(root / "p.py")
    assert walked(root, "**/*.py") == ["a.py", "src/build/in.py", "src/deep/secret.py"]
    git(root, "add", ".")
    assert walked(root, "**/*.py") == ["a.py", "src/build/in.py", "src/deep/secret.py"]
    assert walked(root, "in/build/*") == ["in/build/in.py"], (
        "a link inside that the pattern itself names is gone through"
    )
    assert walked(root, "out/*") == []
    with pytest.raises(OutsideWorkspace):
        walked(root, "*", "out")
    with pytest.raises(OutsideWorkspace):
        walked(root, "../outside/*")
    with pytest.raises(OutsideWorkspace):
        walked(root, "/etc/*")
    with pytest.raises(FileNotFoundError):
        walked(root, "*", "nowhere")
    with pytest.raises(NotADirectoryError):
        walked(root, "*", "a.py")


def test_names_that_are_no_text_are_left_out(root: Path) -> None:
    (root / os.fsdecode(b"bad\xff.py")).write_text("")
    assert walked(root, "*.py") == ["a.py"]
    (root / "build" / os.fsdecode(b"bad\xff.py")).write_text("")
    assert walked(root, "build/*.py") == ["build/out.py"]


def test_what_a_repository_configures_is_not_run(root: Path, tmp_path: Path) -> None:
    """Its configuration may be an agent's work, and git runs outside of the sandbox here."""
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "x")
    mark = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    git(root, "config", "core.fsmonitor", str(program))
    git(root, "config", "core.hooksPath", str(tmp_path))
    git(root, "config", "core.sshCommand", str(program))
    git(root, "config", "core.pager", str(program))
    assert walked(root) == SEEN
    assert not mark.exists()


def test_fifty_thousand_files_take_seconds(tmp_path: Path) -> None:
    for folder in range(500):
        place = tmp_path / f"d{folder}"
        place.mkdir()
        for number in range(100):
            os.close(os.open(place / f"f{number}.py", os.O_CREAT | os.O_WRONLY))
    git(tmp_path, "init")
    began = time.perf_counter()
    assert len(walked(tmp_path, "**/*.py")) == 50_000
    assert time.perf_counter() - began < 10
