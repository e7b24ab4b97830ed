"""The embedded service from outside: what dies comes back, what is down is down, two commands start one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.identity import process_start
from tenuto.worker.service import service
from tenuto.worker.service.records import Home, environment_of, holders, living

from ..cli.command import Tenuto, until

BACK_S = 5.0
GOOD = 'from tenuto import Meta\nmeta = Meta(name="n", description="d")\nasync def main(args):\n    return 1\n'

pytestmark = pytest.mark.e2e


def running(tenuto: Tenuto) -> service.Service:
    found = until(lambda: service.current(tenuto.home))
    assert isinstance(found, service.Service)
    return found


def pids_of(tenuto: Tenuto) -> set[int]:
    """Every process whose environment names this home, except those of this test itself."""
    mark = f"TENUTO_HOME={tenuto.home}\0".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes() + b"\0":
                    found.add(int(entry.name))
            except OSError:
                continue
    return {pid for pid in found if process_start(pid) is not None}


def test_up_says_where_everything_is(tenuto: Tenuto) -> None:
    said = tenuto.json("up")
    assert set(said) == {"address", "ui", "http", "server_pid", "worker_pids", "home"}
    assert said["home"] == str(tenuto.home)
    assert all(process_start(pid) for pid in [said["server_pid"], *said["worker_pids"]])
    assert len(said["worker_pids"]) == 1
    host, port = said["address"].split(":")
    socket.create_connection((host, int(port))).close()
    assert tenuto.json("up") == said, "a second `up` finds what runs"


def test_commands_at_the_same_time_start_one_service(tenuto: Tenuto) -> None:
    started = [tenuto.start("up", "--json") for _ in range(4)]
    said = [json.loads(process.communicate(timeout=45)[0]) for process in started]
    assert all(one == said[0] for one in said)
    home = Home(tenuto.home)
    assert [daemon.pid for daemon in holders(home.serving)] == [said[0]["server_pid"]]
    assert [daemon.pid for daemon in holders(home.working)] == said[0]["worker_pids"]


def test_down_leaves_no_process_behind_and_the_port_is_kept(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    assert len(pids_of(tenuto)) >= 3
    ended = tenuto.json("down")["ended_pids"]
    assert {before["server_pid"], *before["worker_pids"]} < set(ended)
    assert pids_of(tenuto) == set()
    assert tenuto.json("down")["ended_pids"] == []
    assert tenuto.json("up")["address"] == before["address"]


def test_a_killed_server_is_back_at_the_same_address_and_the_worker_stays(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    os.kill(before["server_pid"], signal.SIGKILL)
    after = until(lambda: _other_server(tenuto, before["server_pid"]), BACK_S)
    assert after.address == before["address"]
    assert list(after.worker_pids) == before["worker_pids"]


def _other_server(tenuto: Tenuto, pid: int) -> service.Service | None:
    found = service.current(tenuto.home)
    return found if found is not None and found.server_pid != pid else None


def test_a_killed_worker_is_back(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    for _ in range(3):
        (pid,) = until(lambda: running(tenuto).worker_pids)
        os.kill(pid, signal.SIGKILL)
        _await_another_worker(tenuto, pid)
    assert running(tenuto).server_pid == before["server_pid"]


def _await_another_worker(tenuto: Tenuto, pid: int) -> None:
    until(lambda: running(tenuto).worker_pids not in ((), (pid,)), BACK_S)


def test_what_a_killed_supervisor_kept_is_taken_over(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    supervisor = living(Home(tenuto.home).supervisor)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not supervisor.alive)
    assert tenuto.json("up") == before
    (worker,) = before["worker_pids"]
    os.kill(worker, signal.SIGKILL)
    _await_another_worker(tenuto, worker)


def test_a_server_that_nobody_knows_is_replaced(tenuto: Tenuto) -> None:
    """Its supervisor died before it wrote the record; a second server on the same file would start and corrupt it."""
    before = tenuto.json("up")
    home = Home(tenuto.home)
    supervisor = living(home.supervisor)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not supervisor.alive)
    home.server.unlink()
    after = tenuto.json("up")
    assert after["server_pid"] != before["server_pid"]
    assert process_start(before["server_pid"]) is None
    assert after["address"] == before["address"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1, "start": "0"}', '{"pid": "x"}', "\0\xff" * 99])
def test_garbage_records_are_ignored(tenuto: Tenuto, text: str) -> None:
    home = Home(tenuto.home)
    home.make()
    for path in (home.server, home.worker, home.supervisor, home.ports):
        path.write_text(text)
    assert tenuto.json("up")["worker_pids"]


def test_a_foreign_process_in_a_record_is_not_touched(tenuto: Tenuto) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        home = Home(tenuto.home)
        home.make()
        for path in (home.server, home.worker, home.supervisor):
            path.write_text(json.dumps({"pid": stranger.pid, "start": "1", "address": "127.0.0.1:1"}))
        assert stranger.pid not in {tenuto.json("up")["server_pid"], *tenuto.json("up")["worker_pids"]}
        tenuto("down")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_that_somebody_took_is_given_up(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    tenuto("down")
    host, port = before["address"].split(":")
    with socket.create_server((host, int(port))):
        after = tenuto.json("up")
    assert after["address"] != before["address"]
    assert tenuto.json("up") == after


def test_two_homes_do_not_collide(tenuto: Tenuto, tmp_path: Path) -> None:
    other = Tenuto(tmp_path / "other", tmp_path)
    try:
        one, two = tenuto.json("up"), other.json("up")
        assert one["address"] != two["address"]
        assert one["server_pid"] != two["server_pid"]
        tenuto("down")
        assert running(other).server_pid == two["server_pid"]
    finally:
        other("down")


def test_daemons_hold_none_of_the_callers_descriptors(tenuto: Tenuto) -> None:
    """Else a caller that reads the command's output to its end would wait for the daemons."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    subprocess.run(
        ["tenuto", "up"],
        env={**tenuto.environ(), "PATH": _path()},
        close_fds=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=45,
    )
    os.close(write)
    assert os.read(read, 1) == b"", "end of file: nobody has the other end open"
    os.close(read)


def _path() -> str:
    import sys

    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"


def test_an_upgrade_replaces_the_daemons_and_keeps_the_server(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    for path in (Home(tenuto.home).supervisor, Home(tenuto.home).worker):
        path.write_text(json.dumps({**json.loads(path.read_text()), "code": "of an older version"}))
    done = tenuto("ls")
    assert "upgraded" in done.stderr
    after = until(lambda: _with_worker(tenuto), BACK_S)
    assert list(after.worker_pids) != before["worker_pids"]
    assert after.server_pid == before["server_pid"]
    until(lambda: process_start(before["worker_pids"][0]) is None)
    assert "upgraded" not in tenuto("ls").stderr


def _with_worker(tenuto: Tenuto) -> Any:
    found = service.current(tenuto.home)
    return found if found is not None and found.worker_pids else None


def test_another_credential_restarts_the_worker_and_says_so(tenuto: Tenuto) -> None:
    key = {"ANTHROPIC_API_KEY": "sk-ant-first"}
    first = tenuto.json("up", env=key)
    assert tenuto.json("up", env=key) == first
    done = tenuto("up", "--json", env={"ANTHROPIC_API_KEY": "sk-ant-second"})
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert "sk-ant" not in done.stderr, "names, never values"
    second = json.loads(done.stdout)
    assert second["server_pid"] == first["server_pid"]
    worker = living(Home(tenuto.home).worker)
    assert worker is not None
    assert (environment_of(worker) or {})["ANTHROPIC_API_KEY"] == "sk-ant-second"
    until(lambda: process_start(first["worker_pids"][0]) is None)


@pytest.mark.parametrize("settings", [{"TENUTO_STORE": "file:///proc/x"}, {"TENUTO_STORE": "az://container"}])
def test_settings_with_which_no_worker_starts_leave_the_one_there_is_alone(
    tenuto: Tenuto, settings: dict[str, str]
) -> None:
    """One mistyped command must not stop the runs of a home."""
    key = {"ANTHROPIC_API_KEY": "sk-ant-first"}
    before = tenuto.json("up", env=key)
    script = tenuto.script("good.py", GOOD)
    for words in (("run", script), ("up",)):
        done = tenuto(*words, env={**key, **settings})
        assert done.returncode == 2
        assert "no Worker can start with this command's settings, so the one there is stays" in done.stderr
        assert settings["TENUTO_STORE"] in done.stderr
        # A run also notices that this workspace holds Tenuto's own folder.
        assert done.stderr.count("\n") == (2 if words[0] == "run" else 1)
        assert "restarts" not in done.stderr
    assert tenuto.json("up", env=key) == before
    assert tenuto("run", script, env=key).returncode == 0


def test_settings_with_which_no_worker_starts_start_nothing(tenuto: Tenuto) -> None:
    done = tenuto("up", env={"TENUTO_STORE": "file:///proc/x"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "file:///proc/x" in done.stderr
    assert pids_of(tenuto) == set()


def test_a_command_that_only_reads_never_gives_the_worker_other_settings(tenuto: Tenuto, tmp_path: Path) -> None:
    before = tenuto.json("up", env={"ANTHROPIC_API_KEY": "sk-ant-first"})
    for words in (("ls",), ("show", "wf_unknown")):
        tenuto(*words, env={"ANTHROPIC_API_KEY": "sk-ant-other", "TENUTO_STORE": (tmp_path / "other").as_uri()})
    assert tenuto.json("up", env={"ANTHROPIC_API_KEY": "sk-ant-first"}) == before


def test_a_command_that_only_reads_leaves_the_workers_credential_alone(tenuto: Tenuto) -> None:
    before = tenuto.json("up", env={"ANTHROPIC_API_KEY": "sk-ant-first"})
    assert tenuto("ls").stderr.count("restarts") == 0
    assert tenuto.json("up") == before
    supervisor = living(Home(tenuto.home).supervisor)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not supervisor.alive)
    tenuto("ls")
    assert until(lambda: _with_worker(tenuto)).worker_pids == tuple(before["worker_pids"])
    successor = living(Home(tenuto.home).supervisor)
    assert successor is not None
    assert (environment_of(successor) or {})["ANTHROPIC_API_KEY"] == "sk-ant-first"


def test_secrets_are_neither_in_files_nor_in_arguments(tenuto: Tenuto) -> None:
    secret = "sk-ant-very-secret"
    tenuto.json("up", env={"ANTHROPIC_API_KEY": secret})
    for pid in pids_of(tenuto):
        assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for path in tenuto.home.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_temporals_own_variables_are_meant_for_another_service(tenuto: Tenuto) -> None:
    """An API key in the caller's environment would turn TLS on towards the embedded server."""
    said = tenuto.json("up", env={"TEMPORAL_API_KEY": "x", "TEMPORAL_TLS": "true"})
    worker = living(Home(tenuto.home).worker)
    assert worker is not None
    environ = environment_of(worker) or {}
    assert environ["TEMPORAL_ADDRESS"] == said["address"]
    assert "TEMPORAL_API_KEY" not in environ


def test_a_server_of_other_settings_is_restarted(tenuto: Tenuto) -> None:
    before = tenuto.json("up")
    home = Home(tenuto.home)
    for path in (home.supervisor, home.server):
        path.write_text(json.dumps({**json.loads(path.read_text()), "code": "of an older version"}))
    after = tenuto.json("up")
    assert after["server_pid"] != before["server_pid"]
    assert after["address"] == before["address"]
    assert process_start(before["server_pid"]) is None
