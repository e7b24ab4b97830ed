"""Where a workspace holds a home or Tenuto's own folder, no spelling, link or name leads a file tool into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tenuto.activities.protected import Guard, guard_of, is_system, is_tenutos
from tenuto.activities.workspace import untracked
from tenuto.activities.workspace.confined import ConfinedFiles
from tenuto.activities.workspace.files import ClosedPlace, OutsideWorkspace

SECRET = "opened-by-nobody-4711"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home in a folder of homes, with keys, start-up files, a project and Tenuto's folder."""
    home = tmp_path / "homes" / "höme two"
    for name in (
        ".ssh/id_rsa", ".netrc", ".config/gh/hosts.yml", ".tenuto/credentials.env", ".tenuto/clones/wf_a/a1/own.txt",
        ".bashrc", ".config/fish/config.fish", ".config/mine.toml", "project/a.py", "dotfiles/aws/key",
    ):  # fmt: skip
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(SECRET)
    (home / ".aws").symlink_to("dotfiles/aws")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TENUTO_HOME", str(home / ".tenuto"))
    return home


def confined(root: Path) -> ConfinedFiles:
    return ConfinedFiles(root, guard=guard_of(root))


UNSEEN = [
    ".ssh/id_rsa", "./.ssh//id_rsa", "project/../.ssh/id_rsa", ".netrc", ".tenuto/credentials.env",
    ".tenuto/clones/wf_a/a1/own.txt", ".config/gh/hosts.yml", ".aws/key", "dotfiles/aws/key", ".SSH/id_rsa",
    ".\u017fsh/id_rsa", ".ss\u200dh/id_rsa", ".ssh./id_rsa", ".NetRC", "project/door/id_rsa", "project/key",
    "project/up/.netrc",
    ".tenuto/tenuto.toml", ".docker/config.json", ".npmrc", ".claude/settings.json", ".config/gcloud/new",
]  # fmt: skip


@pytest.mark.parametrize("path", UNSEEN)
@pytest.mark.parametrize("above", [False, True], ids=["home", "above it"])
def test_nothing_secret_is_read_or_written_by_any_name(home: Path, path: str, above: bool) -> None:
    (home / "project" / "door").symlink_to("../.ssh")
    (home / "project" / "key").symlink_to(home / ".ssh" / "id_rsa")
    (home / "project" / "up").symlink_to("..")
    files = confined(home.parent if above else home)
    name = f"{home.name}/{path}" if above else path
    before = sorted(home.rglob("*"))
    for spelled in (name, f"{home}/{path}"):
        with pytest.raises(ClosedPlace, match="no tool of a run reads or writes"):
            files.read(spelled, 100)
        with pytest.raises(ClosedPlace):
            files.info(spelled)
        with pytest.raises(ClosedPlace):
            files.open(spelled)
        with pytest.raises(ClosedPlace):
            files.write(spelled, b"x")
    assert sorted(home.rglob("*")) == before, "nothing was made on the way"
    assert all(path.read_text() == SECRET for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "path",
    [
        ".bashrc", ".BASHRC", ".profile", ".gitconfig", ".config/fish/config.fish", ".config/git/config", "rc",
        ".config/systemd/user/x.service", ".local/bin/ls", ".bash_profile",
    ],
)  # fmt: skip
def test_what_starts_programs_is_read_and_never_written(home: Path, path: str) -> None:
    (home / "rc").symlink_to(".bashrc")
    before = sorted(home.rglob("*"))
    with pytest.raises(ClosedPlace, match="starts programs outside of the sandbox"):
        confined(home).write(path, b"x")
    assert sorted(home.rglob("*")) == before
    assert confined(home).read(".bashrc", 100) == SECRET.encode()


def test_a_protected_place_is_known_by_what_it_is_and_not_by_its_name(home: Path) -> None:
    # As a file system that takes several names for one folder shows it: here another name for the same file.
    os.link(home / ".netrc", home / "project" / "innocent")
    with pytest.raises(ClosedPlace):
        confined(home).read("project/innocent", 100)
    assert "project/innocent" not in {info.path for info in confined(home).walk("**")}


def test_searches_leave_out_what_is_protected_and_nothing_else(home: Path) -> None:
    found = {info.path for info in confined(home).walk("**")}
    assert found == {".bashrc", ".config/fish/config.fish", ".config/mine.toml", "project/a.py"}
    for pattern in (".ssh/*", ".tenuto/**", ".aws/*", "dotfiles/aws/*", ".SSH/*", "{.ssh,.netrc}/**", ".netrc"):
        assert list(confined(home).walk(pattern)) == []
    for under in (".ssh", ".tenuto/clones", "project/../.ssh", ".aws"):
        with pytest.raises(ClosedPlace):
            confined(home).walk("**", under)


def test_the_rest_of_a_home_is_open(home: Path) -> None:
    files = confined(home)
    files.write("project/new/.bashrc", b"1")
    files.write("project/.ssh/config", b"2")
    files.write(".sshd", b"3")
    files.write(".config/mine.toml", b"4")
    assert files.read("project/.ssh/config", 9) == b"2"


def test_a_project_in_a_home_has_nothing_protected(home: Path) -> None:
    assert guard_of(home / "project") is None
    assert isinstance(guard_of(home), Guard)


def test_a_folder_of_settings_may_be_the_workspace_where_the_home_is_not(home: Path) -> None:
    files = confined(home / ".config")
    files.write("fish/config.fish", b"x")
    with pytest.raises(ClosedPlace):
        files.read("gh/hosts.yml", 100)


def test_an_agent_in_a_clone_has_its_own_and_no_other(home: Path) -> None:
    clones = home / ".tenuto" / "clones" / "wf_a"
    (clones / "a2").mkdir()
    (clones / "a2" / "link").symlink_to("../a1")
    files = confined(clones / "a2")
    files.write("deep/own.txt", b"x")
    assert [info.path for info in files.walk("**")] == ["deep/own.txt"]
    for path in ("../a1/own.txt", "deep/../../a1/own.txt", f"{clones}/a1/own.txt", "link/own.txt", "../../../x"):
        with pytest.raises(OutsideWorkspace):
            files.read(path, 100)
        with pytest.raises(OutsideWorkspace):
            files.write(path, b"x")
    assert (clones / "a1" / "own.txt").read_text() == SECRET


def test_only_clones_of_tenutos_folder_are_workspaces(home: Path) -> None:
    own = home / ".tenuto"
    for inside in ("", "store", "clones", "clones/wf_a", "clones/wf_a/.own/a1"):
        assert is_tenutos(own / inside, own)
    for fine in (own / "clones/wf_a/a1", own / "clones/wf_a/a1/src", home, home / "project"):
        assert not is_tenutos(fine, own)


@pytest.mark.parametrize("name", ["/", "/etc", "/usr", "/bin", "/lib", "/proc", "/dev", "/var"])
def test_a_folder_of_the_system_is_known_by_where_it_leads(home: Path, name: str) -> None:
    assert is_system(Path(name).resolve())
    assert not is_system(home)


def test_a_home_of_the_system_is_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")
    assert not is_system(Path("/root").resolve())


@pytest.mark.parametrize("pattern", [".ssh", ".ssh/*", "*", ".config", "door", ".aws/key"])
def test_untracked_files_for_clones_are_none_of_the_protected(home: Path, pattern: str) -> None:
    (home / "door").symlink_to(".ssh")
    with pytest.raises(untracked.UntrackedRefused, match=r"closed|no tool of a run"):
        untracked.find(home, [pattern])
    assert untracked.find(home, ["project/*.py"]) == ["project/a.py"]


def test_a_link_in_a_project_brings_no_secret_into_clones(home: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (home / "project" / "keys").symlink_to(home / ".ssh")
    (home / "project" / "home").symlink_to(home)
    (home / "project" / "modules").symlink_to(tmp_path / "shared")
    assert untracked.find(home / "project", ["modules"]) == ["modules"]
    for name in ("keys", "home"):
        with pytest.raises(untracked.UntrackedRefused, match="closed to every run"):
            untracked.find(home / "project", [name])
