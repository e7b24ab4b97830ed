"""What the sandbox shows of the machine: toolchains and settings, never a home, never a secret."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tenuto.activities.sandbox import etc, seccomp
from tenuto.activities.sandbox.mounts import Mount, arguments, hidden
from tenuto.activities.sandbox.toolchains import interpreters_of, toolchains

from .conftest import SECRET, Place

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def user_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "person"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def test_an_installation_is_shown_whole_and_a_mixed_folder_only_its_programs(user_home: Path) -> None:
    program(user_home / ".nvm" / "versions" / "node" / "v22" / "bin" / "node")
    program(user_home / ".cargo" / "bin" / "cargo")
    (user_home / ".cargo" / "credentials.toml").write_text(SECRET)
    (user_home / ".rustup").mkdir()
    program(user_home / ".local" / "share" / "uv" / "tools" / "ruff" / "bin" / "ruff")
    (user_home / ".local" / "bin").mkdir()
    (user_home / ".local" / "bin" / "ruff").symlink_to("../share/uv/tools/ruff/bin/ruff")
    program(user_home / "bin" / "mine")
    entries = [".nvm/versions/node/v22/bin", ".cargo/bin", ".local/bin", "bin", "absent/bin"]
    path = [*(str(user_home / entry) for entry in entries), str(user_home), "relative/bin", "/usr/bin"]
    found = toolchains({"PATH": os.pathsep.join(path)})
    assert set(found.folders) == {
        user_home / ".nvm" / "versions" / "node" / "v22",
        user_home / ".cargo" / "bin",
        user_home / ".rustup",
        user_home / ".local" / "bin",
        user_home / ".local" / "share" / "uv" / "tools" / "ruff",
        user_home / "bin",
    }
    assert found.path[:4] == path[:4]
    assert str(user_home) not in found.path
    assert found.variables["RUSTUP_HOME"] == str(user_home / ".rustup")


def test_a_variable_that_names_the_home_opens_nothing(user_home: Path) -> None:
    for value in (str(user_home), "/", str(user_home.parent), "/absent"):
        assert toolchains({"PATH": "/usr/bin", "JAVA_HOME": value, "VIRTUAL_ENV": value}).folders == []


def test_the_interpreter_of_a_workspaces_environment_is_shown_and_no_folder_that_only_claims_to_be(
    tmp_path: Path, user_home: Path
) -> None:
    real = user_home / ".local" / "share" / "uv" / "python" / "cpython-3.13"
    program(real / "bin" / "python3.13")
    program(real / "lib" / "python3.13" / "os.py")
    (user_home / ".ssh" / "bin").mkdir(parents=True)
    for home, expected in ((real / "bin", [real]), (user_home / ".ssh" / "bin", []), (user_home, []), ("/", [])):
        (tmp_path / ".venv").mkdir(exist_ok=True)
        (tmp_path / ".venv" / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.13\n")
        assert interpreters_of(tmp_path) == expected
    (tmp_path / ".venv" / "pyvenv.cfg").unlink()
    os.mkfifo(tmp_path / ".venv" / "pyvenv.cfg")
    assert interpreters_of(tmp_path) == []


def test_of_etc_only_what_everyone_may_read_is_copied(tmp_path: Path) -> None:
    system = tmp_path / "etc"
    (system / "perl").mkdir(parents=True)
    (system / "perl" / "open").write_text("x")
    (system / "perl" / "closed").write_text(SECRET)
    (system / "perl" / "closed").chmod(0o640)
    (system / "shadow").write_text(SECRET)
    (system / "ssl" / "private").mkdir(parents=True)
    (system / "ssl" / "private" / "key").write_text(SECRET)
    (system / "services").write_text(SECRET)
    (system / "services").chmod(0o600)
    made = etc.folder(tmp_path / "home", {"passwd": "me"}, system)
    assert sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()) == ["passwd", "perl/open"]


def test_a_secret_place_is_covered_exactly_where_it_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    (tmp_path / "home" / ".netrc").write_text("x")
    (tmp_path / "other" / ".ssh").mkdir(parents=True)
    secret = [
        tmp_path / "home" / ".ssh",
        tmp_path / "home" / ".netrc",
        tmp_path / "other" / ".ssh",
        tmp_path / "absent",
    ]
    covers = hidden([Mount(tmp_path / "home", "write")], secret)
    assert [mount.path for mount in covers] == secret[:2]
    words = arguments([*covers, Mount(tmp_path / "home", "write")])
    assert words.index("--bind") < words.index("--tmpfs"), "the cover lies on top"


@LINUX
async def test_a_home_as_the_workspace_keeps_its_secrets(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place.root))
    (place.root / ".ssh").mkdir()
    (place.root / ".ssh" / "id_rsa").write_text(SECRET)
    (place.root / ".netrc").write_text(SECRET)
    own = place.root / ".tenuto"
    (own / "store").mkdir(parents=True)
    (own / "credentials.env").write_text(SECRET)
    home = own / "sandboxes" / "wf_test"
    outcome = await place.run(
        "cat .ssh/* .netrc .tenuto/credentials.env .tenuto/store/*; touch .ssh/x .tenuto/x; echo fine > ~/f; cat ~/f",
        home=home,
        hidden=[own],
    )
    assert SECRET not in outcome.stdout
    assert outcome.stdout == "fine\n"
    assert outcome.stderr.count("Read-only file system") == 2
    assert (home / "home" / "f").read_text() == "fine\n"


def test_the_filter_of_system_calls_is_whole_instructions_and_every_jump_lands_in_it() -> None:
    for machine in ("x86_64", "aarch64"):
        code = seccomp.program(machine)
        assert code is not None
        count, rest = divmod(len(code), 8)
        assert rest == 0
        assert count < 4096
        for number in range(count):
            operation, then, otherwise = code[8 * number], code[8 * number + 2], code[8 * number + 3]
            if operation in (0x15, 0x35, 0x45):
                assert number + 1 + max(then, otherwise) < count
    assert seccomp.program("riscv64") is None


@LINUX
async def test_a_home_as_the_workspace_keeps_its_start_up_files_and_what_is_covered_in_its_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(place.root))
    (place.root / ".bashrc").write_text("mine\n")
    (place.root / ".config" / "gh").mkdir(parents=True)
    (place.root / ".config" / "gh" / "hosts.yml").write_text(SECRET)
    (place.root / ".config" / "fish").mkdir()
    outcome = await place.run(
        "cat .bashrc; echo x >> .bashrc; rm -f .bashrc; mv .bashrc b; echo x > .config/fish/config.fish; "
        "mv .config c; cat c/gh/hosts.yml .config/gh/hosts.yml; echo y > .config/mine; "
        "echo z > new; cat new .config/mine"
    )
    assert outcome.stdout == "mine\nz\ny\n"
    again = await place.run("cat .config/gh/hosts.yml c/gh/hosts.yml")
    assert SECRET not in outcome.stdout + outcome.stderr + again.stdout
    assert (place.root / ".bashrc").read_text() == "mine\n"
    assert (place.root / ".config" / "gh" / "hosts.yml").read_text() == SECRET
    assert not list((place.root / ".config" / "fish").iterdir())
