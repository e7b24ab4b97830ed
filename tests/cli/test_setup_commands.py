"""`auth`, `doctor`, `worker`, `--version`: setting a machine up."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tenuto.worker.identity import process_start

from .command import Tenuto, until

pytestmark = pytest.mark.e2e


def test_a_key_is_kept_for_the_owner_only_and_can_be_taken_out(tenuto: Tenuto) -> None:
    done = tenuto("auth", "--key-stdin", stdin="sk-ant-secret\n")
    assert done.returncode == 0
    assert "sk-ant-secret" not in done.stderr + done.stdout
    path = tenuto.home / "credentials.env"
    assert path.read_text() == "ANTHROPIC_API_KEY=sk-ant-secret\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert tenuto("auth", "--key-stdin", stdin="sk-ant-oat01-token\n").returncode == 0
    assert path.read_text() == "ANTHROPIC_AUTH_TOKEN=sk-ant-oat01-token\n"
    assert tenuto("auth", "--remove").returncode == 0
    assert path.read_text() == ""


@pytest.mark.parametrize("typed", ["", "\n", "two words\n"])
def test_what_is_no_key_is_refused(tenuto: Tenuto, typed: str) -> None:
    done = tenuto("auth", stdin=typed)
    assert done.returncode == 2
    assert "no API key" in done.stderr
    assert not (tenuto.home / "credentials.env").exists()


def test_a_key_that_was_kept_lets_a_run_pass_the_check_for_credentials(tenuto: Tenuto) -> None:
    tenuto("auth", "--key-stdin", stdin="sk-ant-secret\n")
    tenuto.script("s.js", 'export const meta = {name: "s", description: "s"}\nreturn 1\n')
    assert tenuto.json("run", "s.js")["result"] == 1


def checks(tenuto: Tenuto, *, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    said = tenuto.json("doctor", code=code, env=env)
    assert said["ok"] == (code == 0)
    return {check["check"]: check["verdict"] for check in said["checks"]}


def test_doctor_looks_and_starts_nothing(tenuto: Tenuto) -> None:
    found = checks(tenuto)
    assert (found["python"], found["store"], found["temporal"]) == ("ok", "ok", "ok")
    assert found["credentials"] == "warn"
    assert not (tenuto.home / "service").exists()


def test_doctor_sees_retention_and_worker_of_a_running_service(tenuto: Tenuto) -> None:
    tenuto.json("up", env={"ANTHROPIC_API_KEY": "k"})
    until(lambda: checks(tenuto).get("worker") == "ok")
    found = checks(tenuto, env={"ANTHROPIC_API_KEY": "k"})
    assert (found["retention"], found["credentials"]) == ("ok", "ok")


def test_doctor_fails_where_a_run_would(tenuto: Tenuto) -> None:
    assert checks(tenuto, code=1, env={"TENUTO_STORE": "file:///dev/null/store"})["store"] == "fail"
    assert checks(tenuto, code=1, env={"TENUTO_CONCURRENCY": "x"})["settings"] == "fail"
    unreachable = {"TEMPORAL_ADDRESS": "127.0.0.1:9", "TENUTO_LOCAL_STORE": "1"}
    assert checks(tenuto, code=1, env=unreachable)["temporal"] == "fail"


def test_a_production_worker_serves_the_service_it_is_told_and_drains_on_sigterm(tenuto: Tenuto) -> None:
    address = tenuto.json("up")["address"]
    environ = {"TEMPORAL_ADDRESS": address, "TENUTO_TASK_QUEUE": "theirs"}
    assert tenuto("worker", env=environ).returncode == 2, "a store on this host's disk is not meant by accident"
    worker = tenuto.start("worker", "--local-store", env=environ)
    try:
        assert worker.stderr is not None
        words = ""
        while "polling theirs" not in words:
            line = worker.stderr.readline()
            assert line, words
            words += line
        tenuto.script("s.js", 'export const meta = {name: "s", description: "s"}\nreturn args\n')
        report = tenuto.json("run", "s.js", "--args", "7", "--simulate", env={**environ, "TENUTO_LOCAL_STORE": "1"})
        assert report["result"] == 7
        worker.terminate()
        assert worker.wait(timeout=30) == 0
    finally:
        worker.kill()
        worker.communicate()
    assert process_start(worker.pid) is None


def test_version_names_the_program(tenuto: Tenuto) -> None:
    assert tenuto("--version").stdout.startswith("tenuto 0.")


def test_the_module_is_the_command(tenuto: Tenuto) -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "tenuto.worker", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == tenuto("--version").stdout
