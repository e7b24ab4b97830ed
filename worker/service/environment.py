"""What the embedded Worker was started from: its code, and the part of the environment that belongs to the caller.

Secrets travel from the command to the Worker in the environment of a process and nowhere else: not in a file, not in
an argument. What a daemon has now is read from `/proc/PID/environ`, so nothing has to be written down to compare it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..config import Settings

_MODELS = ("ANTHROPIC_", "CLAUDE_CODE_USE_")
_ALWAYS = (*_MODELS, "OTEL_")
_PLATFORMS = {
    "CLAUDE_CODE_USE_BEDROCK": ("AWS_",),
    "CLAUDE_CODE_USE_VERTEX": ("CLOUD_ML_", "GOOGLE_", "VERTEX_"),
    "CLAUDE_CODE_USE_FOUNDRY": ("AZURE_",),
}
_STORES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_",)}
_SETTINGS = (
    "TENUTO_STORE",
    "TENUTO_TASK_QUEUE",
    "TENUTO_OVERLOAD_HOURS",
    "TENUTO_NOTIFY_COMMAND",
    "TENUTO_NOTIFY_URL",
)
_OFF = ("", "0", "false", "no", "off")


def of_worker(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that decide how the Worker reaches models, store and collector; empty ones count as absent."""
    prefixes = list(_ALWAYS)
    for switch, names in _PLATFORMS.items():
        if environ.get(switch, "").strip().lower() not in _OFF:
            prefixes += names
    prefixes += _STORES.get(environ.get("TENUTO_STORE", "").partition(":")[0], ())
    wanted = tuple(prefixes)
    return {name: value for name, value in environ.items() if value and (name.startswith(wanted) or name in _SETTINGS)}


def names_a_credential(environ: Mapping[str, str]) -> bool:
    """Whether an environment says anything about how to reach a model."""
    return any(name.startswith(_MODELS) for name in of_worker(environ))


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Names of the Worker's variables that are not the same, for a person: never the values."""
    before, after = of_worker(old), of_worker(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def for_daemons(settings: Settings, environ: Mapping[str, str], inherited: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of the supervisor and, through it, of the Worker.

    Args:
        inherited: the environment of the daemons there are, whose Worker's variables go on; `None` takes the caller's.
    """
    # A TEMPORAL_ variable of the caller (an API key, TLS) is meant for another service than this home's own.
    kept = {name: value for name, value in environ.items() if not name.startswith("TEMPORAL_")}
    kept["TENUTO_STORE"], kept["TENUTO_TASK_QUEUE"] = settings.store, settings.task_queue
    if inherited is not None:
        theirs = of_worker(inherited)
        kept = {name: value for name, value in kept.items() if name not in of_worker(kept)} | theirs
    kept["TENUTO_HOME"] = str(settings.home)
    return kept


def for_worker(address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The Worker's environment: the supervisor's own, with the server's address and without Temporal's own file."""
    return {
        **environ,
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TENUTO_LOCAL_STORE": "1",
    }


def code_stamp() -> str:
    """Changes with every upgrade: interpreter, version, and size and time of every file of the package."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256(f"{sys.executable} {_version()}".encode())
    for ring in ("workflows", "activities", "worker"):
        for folder, folders, files in os.walk(package / ring):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(files):
                try:
                    status = Path(folder, name).stat()
                except FileNotFoundError:
                    continue  # an installer is at work: the next command sees the difference
                digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _version() -> str:
    try:
        return version("tenuto")
    except PackageNotFoundError:
        return "0"
