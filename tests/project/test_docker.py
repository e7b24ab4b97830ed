"""The containers: linted, without secrets, and built from what is really copied into them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

from tenuto.worker.config import Settings
from tenuto.worker.process import DRAIN
from tenuto.worker.service.server import DYNAMIC_CONFIG, RETENTION_HOURS, SEARCH_ATTRIBUTES

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def instructions(text: str) -> list[tuple[str, list[str]]]:
    """Each instruction with its words, line continuations joined and comments dropped."""
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(kept))
    return [(word, rest.split()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


STEPS = instructions(DOCKERFILE.read_text(encoding="utf-8"))


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, "--no-color", path], capture_output=True, text=True, check=False)


def test_the_dockerfile_lints_clean() -> None:
    done = lint(DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN sudo apt-get install git\n", encoding="utf-8")
    done = lint(bad)
    assert done.returncode == 1
    assert "DL3004" in done.stdout


def test_the_image_ends_as_a_numeric_user_that_is_not_root() -> None:
    (user,) = [words[0] for step, words in STEPS if step == "USER"][-1:]
    assert int(user.partition(":")[0]) > 0


def test_every_base_image_names_its_version() -> None:
    images = [words[0] for step, words in STEPS if step == "FROM"]
    images += [service["image"] for service in SERVICES.values() if "build" not in service]
    assert images
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def option_values(name: str) -> set[str]:
    """Values of a repeated option of the server's command."""
    return {word.partition("=")[2] for word in SERVICES["temporal"]["command"] if word.startswith(f"--{name}=")}


def test_the_server_has_the_settings_of_the_embedded_one() -> None:
    assert SERVICES["temporal"]["command"][:3] == ["temporal", "server", "start-dev"]
    assert option_values("search-attribute") == {f"{name}=Keyword" for name in SEARCH_ATTRIBUTES}
    assert option_values("dynamic-config-value") == set(DYNAMIC_CONFIG)
    assert f"--retention={RETENTION_HOURS}h" in SERVICES["retention"]["command"]


def test_the_database_is_on_a_volume_that_the_images_user_owns() -> None:
    (database,) = option_values("db-filename")
    (owned,) = [words[0] for step, words in STEPS if step == "VOLUME"]
    assert str(Path(database).parent) == owned
    for service in SERVICES.values():
        assert {volume.partition(":")[2] for volume in service.get("volumes", [])} <= {owned}


def test_a_worker_has_time_to_drain() -> None:
    assert float(SERVICES["worker"]["stop_grace_period"].rstrip("s")) > DRAIN.total_seconds()


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_no_secret_is_written_down() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"KEY|TOKEN|SECRET|PASSWORD", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:-\}", str(value)), name
    assert not [words for step, words in STEPS if step in ("ARG", "ENV") and re.search("KEY|TOKEN|SECRET", str(words))]


def test_services_volumes_and_build_files_that_are_named_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", [])) <= set(SERVICES)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        if "build" in service:
            context = (ROOT / "docker" / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).resolve() == DOCKERFILE


def test_no_service_asks_for_more_rights() -> None:
    for service in SERVICES.values():
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)
        assert "no-new-privileges:true" in service["security_opt"]


def test_the_workers_command_and_configuration_are_accepted() -> None:
    worker = SERVICES["worker"]
    program, command, *flags = worker["command"]
    assert (program, command, flags) == ("tenuto", "worker", ["--local-store"])
    shown = subprocess.run(
        [Path(sys.executable).with_name(program), command, "--help"], capture_output=True, text=True, check=False
    )
    assert "--local-store" in shown.stdout + shown.stderr
    environment = {name: value for name, value in worker["environment"].items() if "$" not in value}
    settings = Settings.load(Path("/"), {"TENUTO_HOME": "/var/lib/tenuto", **environment}, local_store=True)
    assert settings.address == "temporal:7233"
    assert settings.store.startswith("file:///var/lib/tenuto/")


def test_the_image_is_a_worker_unless_told_otherwise() -> None:
    (default,) = [json.loads(" ".join(words)) for step, words in STEPS if step == "CMD"]
    assert SERVICES["worker"]["command"][: len(default)] == default


def test_the_wheel_builds_from_what_the_dockerfile_copies(tmp_path: Path) -> None:
    context = tmp_path / "build"
    context.mkdir()
    for step, words in STEPS:
        if step != "COPY" or words[0].startswith("--from"):
            continue
        *sources, target = words
        for source in sources:
            path = ROOT / source
            # .dockerignore leaves caches behind; links are copied as links, as the engine does.
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, context / target, symlinks=True, ignore=ignored)
            else:
                shutil.copy2(path, context / target)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=context, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"tenuto/__init__.py", "tenuto/py.typed", "tenuto/worker/process.py", "tenuto/workflows/survey.py"} <= names
    assert not [name for name in names if name.startswith(("workflows/", "activities/", "worker/", "tests/"))]
