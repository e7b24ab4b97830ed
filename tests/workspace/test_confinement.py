"""No path, link, race or encoding leads out of the workspace."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from tenuto.activities.workspace.confined import ConfinedFiles
from tenuto.activities.workspace.files import OutsideWorkspace

SECRET = b"the secret outside"
INSIDE = b"inside"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "secret").write_bytes(SECRET)
    (folder / "deep" / "secret").write_bytes(SECRET)
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    root = tmp_path / "workspace"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "secret").write_bytes(INSIDE)
    (root / "file").write_bytes(INSIDE)
    (root / ".git" / "hooks").mkdir(parents=True)
    (root / ".git" / "config").write_bytes(b"[core]")
    links = {
        "out_file": outside / "secret",
        "out_folder": outside,
        "out_relative": Path("../outside/secret"),
        "out_dangling": outside / "not_there",
        "out_dangling_folder": outside / "not_there" / "deep",
        "out_by_two": Path("out_folder/secret"),
        "out_up": Path("folder/../../outside/secret"),
        "out_root": Path("/"),
        "out_proc": Path("/proc/self/root"),
        "out_fd": Path("/proc/self/fd/0"),
        "in_file": Path("folder/secret"),
        "in_absolute": root / "folder" / "secret",
        "in_folder": Path("folder"),
        "in_up": Path("folder/../folder/secret"),
        "in_dangling": Path("folder/fresh"),
        "in_root": root,
        "loop": Path("loop"),
        "to_git": Path(".git"),
        "to_hook": Path(".git/hooks/pre-commit"),
        "folder/up": Path("../file"),
        "folder/up_out": Path("../../outside/secret"),
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    return root


@pytest.fixture
def files(root: Path) -> ConfinedFiles:
    return ConfinedFiles(root)


def whole(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


LEADING_OUT = [
    "../outside/secret",
    "..",
    "folder/../../outside/secret",
    "./././../outside/secret",
    "folder//..//..//outside/secret",
    "/etc/passwd",
    "//etc/passwd",
    "///etc//passwd",
    "/",
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "/proc/self/fd/0",
    "/dev/null",
    "/dev/stdin",
    "{root}/../outside/secret",
    "{root}x/secret",
    "/{root}/../outside/secret",
    "out_file",
    "out_folder/secret",
    "out_folder/deep/secret",
    "out_relative",
    "out_by_two",
    "out_up",
    "out_root/etc/passwd",
    "out_proc/etc/passwd",
    "out_fd",
    "folder/up_out",
    "in_folder/up_out",
    "in_root/out_file",
    "in_root/in_root/out_folder/secret",
]
NO_NAMES = ["a\0b", "\0", "file\0.txt", "\ud800", "folder/\udcff", "a\udfffb"]


@pytest.mark.parametrize("path", LEADING_OUT)
def test_a_path_that_leads_out_is_neither_read_nor_written(
    files: ConfinedFiles, root: Path, outside: Path, path: str
) -> None:
    path = path.replace("{root}", str(root))
    before = whole(outside)
    for use in (lambda: files.read(path, 100), lambda: files.info(path), lambda: files.write(path, b"mine")):
        with pytest.raises(OutsideWorkspace):
            use()
    assert whole(outside) == before
    assert whole(root)[f"{root}/folder/secret"] == INSIDE


@pytest.mark.parametrize("path", ["out_dangling", "out_dangling_folder/a", "out_folder/new", "out_folder/new/a/b"])
def test_nothing_is_made_outside(files: ConfinedFiles, outside: Path, path: str) -> None:
    before = sorted(outside.rglob("*"))
    with pytest.raises(OutsideWorkspace):
        files.write(path, b"mine")
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize("path", NO_NAMES)
def test_what_can_be_no_name_is_refused(files: ConfinedFiles, path: str) -> None:
    for use in (lambda: files.read(path, 100), lambda: files.write(path, b""), lambda: list(files.walk(path))):
        with pytest.raises(OutsideWorkspace):
            use()


@pytest.mark.parametrize("path", ["x" * 300, "x" * 5000, "a/" * 3000, "folder/" + "é" * 200])
def test_a_name_that_is_too_long_is_an_error_of_its_own(files: ConfinedFiles, path: str) -> None:
    for use in (lambda: files.read(path, 100), lambda: files.write(path, b"")):
        with pytest.raises(OSError) as caught:
            use()
        assert caught.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize(
    "path",
    [
        "in_file",
        "in_absolute",
        "in_folder/secret",
        "in_up",
        "in_root/folder/secret",
        "in_root/in_root/in_file",
        "{root}/folder/secret",
        "//{root}//folder/./secret",
        "folder/../folder/secret",
        "nowhere/../folder/secret",
    ],
)
def test_links_and_spellings_that_stay_inside_are_read(files: ConfinedFiles, root: Path, path: str) -> None:
    path = path.replace("{root}", str(root))
    assert files.read(path, 100) == INSIDE
    assert files.info(path).size == len(INSIDE)


def test_a_link_inside_is_written_through_and_stays_a_link(files: ConfinedFiles, root: Path) -> None:
    files.write("in_file", b"new")
    assert (root / "folder" / "secret").read_bytes() == b"new"
    assert (root / "in_file").is_symlink()
    files.write("in_dangling", b"fresh")
    assert (root / "folder" / "fresh").read_bytes() == b"fresh"
    files.write("in_folder/made/here", b"x")
    assert (root / "folder" / "made" / "here").read_bytes() == b"x"


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".git/config",
        ".git/hooks/pre-commit",
        ".GIT/config",
        ".Git/new/x",
        ".g\u200cit/config",
        ".git /config",
        ".git./config",
        "to_git/config",
        "to_hook",
        "folder/.git",
        "folder/.git/config",
        "folder/../.git/config",
        "in_root/.git/hooks/x",
    ],
)
def test_git_s_own_folder_is_not_written(files: ConfinedFiles, root: Path, path: str) -> None:
    before = whole(root)
    with pytest.raises(OutsideWorkspace, match="belongs to git"):
        files.write(path, b"mine")
    assert whole(root) == before
    assert files.read(".git/config", 100) == b"[core]"


def test_what_is_no_file_is_one_plain_error(files: ConfinedFiles, root: Path) -> None:
    os.mkfifo(root / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    old = Path.cwd()
    os.chdir(root)  # a socket's path is limited to 108 bytes
    try:
        listener.bind("socket")
    finally:
        os.chdir(old)
        listener.close()
    for path, text in (("pipe", "a named pipe"), ("socket", "a socket")):
        for use in (lambda path=path: files.read(path, 10), lambda path=path: files.write(path, b"")):
            with pytest.raises(OSError, match=text):
                use()
    for path in ("folder", ".", "", "in_folder", "folder/", str(root)):
        with pytest.raises(IsADirectoryError):
            files.read(path, 10)
        with pytest.raises(IsADirectoryError):
            files.write(path, b"")
    for path in ("nothing", "folder/nothing", "in_dangling", "no/such/folder"):
        with pytest.raises(FileNotFoundError):
            files.read(path, 10)
    for path in ("file/below", "in_file/below"):
        with pytest.raises(NotADirectoryError):
            files.read(path, 10)
    with pytest.raises(OSError) as caught:
        files.read("loop", 10)
    assert caught.value.errno == errno.ELOOP


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_not_opened(files: ConfinedFiles, root: Path) -> None:
    try:
        os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("device nodes cannot be made here")
    with pytest.raises(OSError, match="a device"):
        files.read("zero", 10)
    with pytest.raises(OSError, match="a device"):
        files.write("zero", b"")


def test_a_write_is_whole_keeps_the_mode_and_leaves_nothing_behind(files: ConfinedFiles, root: Path) -> None:
    program = root / "program"
    program.write_text("old")
    program.chmod(0o750)
    before = program.stat().st_ino
    files.write("program", b"new")
    assert program.read_bytes() == b"new"
    assert stat.S_IMODE(program.stat().st_mode) == 0o750
    assert program.stat().st_ino != before
    files.write("a/b/c", b"made")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((root / "a/b/c").stat().st_mode) == 0o666 & ~mask
    assert not [path for path in root.rglob("*") if "tenuto" in path.name]


def test_a_write_without_nameless_files_is_the_same(
    files: ConfinedFiles, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    test_a_write_is_whole_keeps_the_mode_and_leaves_nothing_behind(files, root)


def test_a_failed_write_leaves_the_old_file(files: ConfinedFiles, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="file"):
        files.write("file", b"new")
    assert (root / "file").read_bytes() == INSIDE
    assert not [path for path in root.rglob("*") if "tenuto" in path.name]


def test_a_file_over_the_limit_says_how_large_it_is(files: ConfinedFiles) -> None:
    assert files.read("file", len(INSIDE)) == INSIDE
    with pytest.raises(ValueError, match="has 6 bytes; at most 5"):
        files.read("file", len(INSIDE) - 1)


def test_no_descriptor_is_left_open(files: ConfinedFiles) -> None:
    def everything() -> None:
        for path in [*LEADING_OUT, *NO_NAMES, "in_file", "loop", "x" * 300, "file/below", "folder", "to_git/x"]:
            for use in (lambda path=path: files.read(path, 9), lambda path=path: files.write(path, b"x")):
                try:
                    use()
                except (OutsideWorkspace, OSError):
                    continue
        list(files.walk("**"))

    everything()
    before = len(list(Path("/proc/self/fd").iterdir()))
    everything()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_rules_are_about_the_file_that_is_meant(root: Path) -> None:
    files = ConfinedFiles(
        root, hidden=lambda path: path == "folder/secret", kept=lambda path: path.startswith("folder/")
    )
    for path in ("folder/secret", "in_file", "in_absolute", "in_folder/secret", "in_root/in_folder/secret"):
        for use in (lambda path=path: files.read(path, 100), lambda path=path: files.info(path)):
            with pytest.raises(OutsideWorkspace, match="denies reading folder/secret"):
                use()
        with pytest.raises(OutsideWorkspace, match="denies writing folder/secret"):
            files.write(path, b"mine")
    assert [info.path for info in files.walk("**")] == ["file"]
    assert [info.path for info in files.walk("in_folder/*")] == []
    assert files.read("file", 100) == INSIDE
    files.write("file", b"new")
    assert (root / "folder" / "secret").read_bytes() == INSIDE
