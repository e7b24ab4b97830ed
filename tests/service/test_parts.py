"""The parts of the embedded service that need no process."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tenuto.worker.config import Settings
from tenuto.worker.service import environment, logs, ports, records
from tenuto.worker.service.records import Daemon, Home
from tenuto.worker.service.supervisor import DELAY_MAX_S, STEADY_S, Backoff


def test_a_first_death_is_followed_by_a_start_at_once_and_repeated_ones_by_longer_and_longer_waits() -> None:
    backoff, now, waits = Backoff(), 100.0, []
    for _ in range(12):
        backoff.started(now)
        waits.append(backoff.died(now + 1))
        assert backoff.may_start(now + 1 + waits[-1])
        assert waits[-1] == 0 or not backoff.may_start(now + 0.9 + waits[-1])
        now += 1 + waits[-1]
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits == sorted(waits)
    assert waits[-1] == DELAY_MAX_S
    backoff.started(now)
    assert backoff.died(now + STEADY_S + 1) == 0.0, "one that lived long is not punished for older deaths"


def test_a_record_is_only_trusted_with_the_right_start_time(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    here = Daemon.of(os.getpid(), code="c", address="a")
    records.write(path, here)
    assert records.living(path) == here
    records.write(path, Daemon(os.getpid(), "1"))
    assert records.read(path) is not None
    assert records.living(path) is None
    assert records.living(tmp_path / "absent.json") is None


def test_whoever_has_a_lock_file_open_is_found(tmp_path: Path) -> None:
    lock = tmp_path / "a lock"
    lock.touch()
    assert records.holders(lock) == []
    pid = os.fork()
    if pid == 0:  # a child that has the file open until it is told to end
        read, _write = os.pipe()
        with lock.open():
            os.read(read, 1)
        os._exit(0)
    try:
        while not (found := records.holders(lock)):
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        assert [daemon.pid for daemon in found] == [pid]
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_ports_are_chosen_below_those_that_the_kernel_hands_out_and_kept_while_free(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    assert ports.kept(home) is None
    port = ports.choose(home)
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert port + ports.HTTP_OFFSET < lowest
    assert ports.http_of(f"127.0.0.1:{port}") == f"http://127.0.0.1:{port + ports.HTTP_OFFSET}"
    with socket.create_server((ports.LOOPBACK, port + ports.HTTP_OFFSET)):
        assert ports.kept(home) is None
    assert ports.kept(home) == port
    with socket.create_server((ports.LOOPBACK, port + ports.UI_OFFSET)):
        assert ports.kept(home) is None
        assert ports.listens(os.getpid(), port + ports.UI_OFFSET)
        assert not ports.listens(1, port + ports.UI_OFFSET)
    assert not ports.listens(os.getpid(), port)


def test_a_log_that_is_too_large_starts_anew_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    with logs.open_log(path) as writer:
        writer.write(b"x" * 100)
        writer.flush()
        logs.cap(path, bytes_max=200)
        assert path.stat().st_size == 100
        logs.cap(path, bytes_max=50)
        writer.write(b"after")
        writer.flush()
    assert path.read_bytes() == b"after"
    assert path.with_name("worker.log.1").stat().st_size == 100
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_workers_variables_are_those_that_reach_a_model_the_store_or_a_collector() -> None:
    base = {"ANTHROPIC_API_KEY": "k", "AWS_REGION": "r", "PATH": "/bin", "ANTHROPIC_BASE_URL": ""}
    assert environment.of_worker(base) == {"ANTHROPIC_API_KEY": "k"}
    bedrock = {**base, "CLAUDE_CODE_USE_BEDROCK": "1"}
    assert set(environment.of_worker(bedrock)) == {"ANTHROPIC_API_KEY", "AWS_REGION", "CLAUDE_CODE_USE_BEDROCK"}
    stored = {**base, "TENUTO_STORE": "s3://bucket"}
    assert set(environment.of_worker(stored)) == {"ANTHROPIC_API_KEY", "AWS_REGION", "TENUTO_STORE"}
    assert environment.differences(base, {**base, "PATH": "/usr/bin"}) == []
    assert environment.differences(base, {}) == ["ANTHROPIC_API_KEY"]


def test_an_inherited_environment_replaces_the_callers_variables_as_a_whole(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, store="file:///s")
    caller = {"ANTHROPIC_API_KEY": "mine", "ANTHROPIC_BASE_URL": "http://mine", "PATH": "/bin", "TEMPORAL_API_KEY": "t"}
    theirs = {"ANTHROPIC_API_KEY": "theirs", "PATH": "/sbin", "TENUTO_STORE": "file:///s"}
    made = environment.for_daemons(settings, caller, theirs)
    assert made["ANTHROPIC_API_KEY"] == "theirs"
    assert "ANTHROPIC_BASE_URL" not in made
    assert made["PATH"] == "/bin"
    assert "TEMPORAL_API_KEY" not in made
    assert environment.for_daemons(settings, caller, None)["ANTHROPIC_BASE_URL"] == "http://mine"


def test_the_stamp_of_the_code_holds_still_and_moves_with_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.code_stamp()
    assert environment.code_stamp() == before
    monkeypatch.setattr(environment, "_version", lambda: "another")
    assert environment.code_stamp() != before
