"""The environment of a command: written anew, never inherited, so that no secret of the Worker's is in it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from .command import CommandRefused

_PASSED = (
    "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_NUMERIC", "LC_TIME", "TZ",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "UV_INDEX_URL", "UV_DEFAULT_INDEX",
    "npm_config_registry", "NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN",
    "PYENV_VERSION", "RUSTUP_TOOLCHAIN", "CC", "CXX",
)  # fmt: skip
"""Settings of language, certificates and package indexes. An address with a user's name in it is left out."""

_USER_IN_ADDRESS = re.compile(r"://[^/\s]*@")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

PROGRAMS = (".local/bin", ".cargo/bin", "go/bin")
"""Of the home: where a command's own `pip install --user`, `npm install -g`, `cargo install`, `go install` put them."""

IDENTITY = {
    "GIT_AUTHOR_NAME": "Tenuto subagent",
    "GIT_AUTHOR_EMAIL": "subagent@tenuto.invalid",
    "GIT_COMMITTER_NAME": "Tenuto subagent",
    "GIT_COMMITTER_EMAIL": "subagent@tenuto.invalid",
}
"""Commits say who made them, whatever the user's own configuration."""

_GIT = (
    ("safe.directory", "*"),  # inside, files may seem to belong to someone else
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),  # objects are shared with the user's repository
    ("maintenance.auto", "false"),
    ("credential.helper", ""),
    ("advice.detachedHead", "false"),
)

_STEADY = {
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "true",
    "GIT_TERMINAL_PROMPT": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
    "DEBIAN_FRONTEND": "noninteractive",
    "SHELL": "/bin/sh",
}
"""Nobody is there to answer a question or to page."""


def build(
    *, home: Path, temporary: Path, path: list[str], user: str, tools: Mapping[str, str], more: Mapping[str, str]
) -> dict[str, str]:
    """All variables of a command; `more` stands above the rest.

    Raises:
        CommandRefused: a name or a value in `more` that no environment can hold.
    """
    for name, value in more.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            raise CommandRefused(f"{name!r} cannot be an environment variable: letters, digits and _ make its name")
    passed = {name: os.environ[name] for name in _PASSED if os.environ.get(name)}
    return {
        "LANG": "C.UTF-8",
        **{name: value for name, value in passed.items() if not _USER_IN_ADDRESS.search(value)},
        **_STEADY,
        **tools,
        **IDENTITY,
        **_git(),
        **_caches(home),
        "PATH": os.pathsep.join(path),
        "HOME": str(home),
        "USER": user,
        "LOGNAME": user,
        "TMPDIR": str(temporary),
        **more,
    }


def _git() -> dict[str, str]:
    found = {"GIT_CONFIG_COUNT": str(len(_GIT))}
    for number, (key, value) in enumerate(_GIT):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _caches(home: Path) -> dict[str, str]:
    """Package caches that have variables of their own; the others follow `HOME`."""
    places = {
        "XDG_CACHE_HOME": ".cache",
        "XDG_CONFIG_HOME": ".config",
        "XDG_DATA_HOME": ".local/share",
        "PIP_CACHE_DIR": ".cache/pip",
        "UV_CACHE_DIR": ".cache/uv",
        "npm_config_cache": ".npm",
        "npm_config_prefix": ".local",
        "YARN_CACHE_FOLDER": ".cache/yarn",
        "CARGO_HOME": ".cargo",
        "GOPATH": "go",
        "GOCACHE": ".cache/go-build",
        "GRADLE_USER_HOME": ".gradle",
        "NUGET_PACKAGES": ".nuget/packages",
    }
    return {name: str(home / place) for name, place in places.items()}


def proxied(port: int, here: Collection[str] = ()) -> dict[str, str]:
    """What makes package managers ask the proxy of a sandbox with hosts.

    Args:
        port: the proxy's.
        here: names of the machine itself that a rule opens; they too go through the proxy then.
    """
    address = f"http://127.0.0.1:{port}"
    local = ",".join(name for name in ("localhost", "127.0.0.1", "::1") if name not in here)
    java = " ".join(f"-D{scheme}.proxyHost=127.0.0.1 -D{scheme}.proxyPort={port}" for scheme in ("http", "https"))
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {
        **dict.fromkeys(names, address),
        **{name.lower(): address for name in names},
        "NO_PROXY": local,
        "no_proxy": local,
        "npm_config_proxy": address,
        "npm_config_https_proxy": address,
        "YARN_HTTP_PROXY": address,
        "YARN_HTTPS_PROXY": address,
        "NODE_USE_ENV_PROXY": "1",
        "MAVEN_OPTS": java,
        "GRADLE_OPTS": java,
    }
