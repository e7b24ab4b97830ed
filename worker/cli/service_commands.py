"""`up`, `down`, `worker`, `auth`: the embedded service, a production Worker, credentials."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from ..config import Settings, UsageError, home_of
from .output import notice, print_json, print_line


def up(*, json: bool) -> int:
    """Start what is not running yet."""
    from ..service import environment, ports, service

    settings = Settings.load()
    if not settings.embedded:
        raise UsageError(
            f"the Temporal Service at {settings.address} is configured, so there is no embedded one to start; "
            "unset TEMPORAL_ADDRESS for the embedded one, or start a Worker for yours: tenuto worker"
        )
    # A shell without a credential, a cron job for one, must not take away the one that the Worker has.
    take = environment.names_a_credential(os.environ)
    running = service.ensure(settings, take_environment=take, notice=notice)
    if json:
        print_json(
            {
                "address": running.address,
                "ui": running.ui,
                "http": ports.http_of(running.address),
                "server_pid": running.server_pid,
                "worker_pids": list(running.worker_pids),
                "home": str(running.home),
            }
        )
    else:
        http = ports.http_of(running.address)
        print_line(f"Temporal {running.address}, Web UI {running.ui}, HTTP API {http}, home {running.home}")
    return 0


def down(*, json: bool) -> int:
    """End the embedded service of this home. Runs go on at the next `up`."""
    from ..service import service

    home = home_of(os.environ)
    ended = service.down(home)
    if json:
        print_json({"home": str(home), "ended_pids": ended})
    else:
        notice("the embedded service has ended; runs go on at the next start" if ended else "nothing was running")
    return 0


def worker(*, local_store: bool | None) -> int:
    """Become a Worker for the configured Temporal Service. Returns only by error."""
    settings = Settings.load(local_store=local_store)
    if settings.embedded:
        raise UsageError(
            "TEMPORAL_ADDRESS is not set; name the Temporal Service to work for, such as temporal.example.com:7233 "
            "(the embedded service has its own Worker: tenuto up)"
        )
    environ = {
        **os.environ,
        "TENUTO_HOME": str(settings.home),
        "TENUTO_STORE": settings.store,
        "TENUTO_TASK_QUEUE": settings.task_queue,
        "TENUTO_LOCAL_STORE": "1" if settings.local_store else "0",
        "TEMPORAL_ADDRESS": settings.address or "",
        "TEMPORAL_NAMESPACE": settings.namespace,
    }
    notice(f"Worker for {settings.address}, Task Queue {settings.task_queue}, store {settings.store}")
    os.execve(sys.executable, [sys.executable, "-P", "-m", "tenuto.worker.process"], environ)


def auth(*, from_stdin: bool, remove: bool, json: bool) -> int:
    """Write an API key to `credentials.env`, or take it out."""
    from tenuto.activities.credentials import Credentials, CredentialsFileError

    credentials = Credentials(home_of(os.environ))
    try:
        if not remove:
            path = credentials.write(_named(_read_key(from_stdin)))
        else:
            path = credentials.write({"ANTHROPIC_API_KEY": None, "ANTHROPIC_AUTH_TOKEN": None})
        sources = credentials.describe()
    except CredentialsFileError as error:
        raise UsageError(f"{error}; look at the file and its folder's permissions") from None
    if json:
        print_json({"path": str(path), "sources": sources})
    else:
        notice(f"{'removed from' if remove else 'written to'} {path}; requests use: {sources}")
    return 0


def auth_mcp(what: str, name: str | None, *, code: bool, json: bool) -> int:
    """`tenuto auth mcp NAME`."""
    from .mcp_commands import authorize

    if what != "mcp" or name is None:
        raise UsageError(f"auth {what!r} is not known; expected: tenuto auth, or tenuto auth mcp NAME")
    return authorize(os.environ, name, code=code, json=json)


def _read_key(from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        key = sys.stdin.readline().strip()
    else:
        key = getpass.getpass("Anthropic API key: ").strip()
    if not key or any(character.isspace() or not character.isprintable() for character in key):
        raise UsageError("no API key was given; expected one line such as sk-ant-…, typed or on stdin")
    return key


def _named(key: str) -> dict[str, str | None]:
    """An OAuth token goes under its own name; the other one is taken out, so that there is no doubt which is used."""
    token = key.startswith("sk-ant-oat")
    return {"ANTHROPIC_AUTH_TOKEN": key if token else None, "ANTHROPIC_API_KEY": None if token else key}


def default_output(path: str | None) -> Path | None:
    """`-o`, as a path."""
    return Path(path).expanduser() if path else None
