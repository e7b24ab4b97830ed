"""Submodules come from the user's own, without a network, and what an agent does in one is kept there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.keep import keep

from .repositories import PLAIN, fingerprint, reachable, repository, sh


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    inner = repository(tmp_path / "inner")
    library = repository(tmp_path / "library")
    allow = "git -c protocol.file.allow=always"
    sh(f"git stash -q; {allow} submodule --quiet add {inner} deps/inner && git commit -qm inner", library)
    repo = repository(tmp_path / "repo")
    sh(f"git stash -q; {allow} submodule --quiet add {library} libs/library", repo)
    sh(f"{allow} submodule --quiet add {inner} uninitialised && git commit -qm library", repo)
    sh(f"{allow} submodule --quiet update --init --recursive && git submodule --quiet deinit -f uninitialised", repo)
    inner.rename(tmp_path / "inner-gone")
    library.rename(tmp_path / "library-gone")
    return repo


async def test_submodules_are_there_as_far_as_the_user_has_them(repo: Path, tmp_path: Path) -> None:
    before = fingerprint(repo), fingerprint(repo / "libs/library")
    clone = await Clones(tmp_path / "home").open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert (clone.root / "libs/library/src/b.txt").read_text() == "b\n"
    assert (clone.root / "libs/library/deps/inner/a.txt").read_text() == "a\n"
    assert list((clone.root / "uninitialised").iterdir()) == []
    assert sh("git status --porcelain", clone.root) == ""
    assert len(clone.shown) == 3
    kept = await keep(clone)
    assert kept.commit is None
    assert (fingerprint(repo), fingerprint(repo / "libs/library")) == before


async def test_work_in_a_submodule_is_kept_in_the_users_submodule(repo: Path, tmp_path: Path) -> None:
    before = fingerprint(repo), fingerprint(repo / "libs/library")
    clone = await Clones(tmp_path / "home").open("wf_1", "a1", repo, "HEAD", PLAIN)
    library = clone.root / "libs/library"
    sh("echo committed > c && git add c && git commit -qm 'in the library'", library)
    own = sh("git rev-parse HEAD", library)
    (library / "deps/inner/a.txt").write_text("deep\n")
    kept = await keep(clone)
    assert kept.branch == "tenuto/wf_1/a1"
    link = sh(f"git rev-parse {kept.commit}:libs/library", repo)
    assert link == sh("git rev-parse tenuto/wf_1/a1", repo / "libs/library")
    assert own in reachable(repo / "libs/library")
    assert sh(f"git show {link}:c", repo / "libs/library") == "committed"
    deep = sh(f"git rev-parse {link}:deps/inner", repo / "libs/library")
    assert sh(f"git show {deep}:a.txt", repo / "libs/library/deps/inner") == "deep"
    assert (fingerprint(repo), fingerprint(repo / "libs/library")) == before
    again = await Clones(tmp_path / "home").open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert (again.root / "libs/library/c").read_text() == "committed\n"
    assert (again.root / "libs/library/deps/inner/a.txt").read_text() == "deep\n"
