"""Servers whose code is fetched anew at every start: without an exact version it is another program tomorrow. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

_NPM = re.compile(r"(?P<name>@[^/@]+/[^@]+|[^@]+)@v?\d+\.\d+\.\d+\S*")
_PYPI = re.compile(r"[A-Za-z0-9._-]+(\[[^\]]*\])?(==\d[^*]*|@\d[^*]*)")
_IMAGE = re.compile(r".+(@sha256:[0-9a-f]{64}|:(?!latest$)[A-Za-z0-9._-]+)")
_NPM_RUNNERS = {("npx",), ("bunx",), ("pnpx",), ("npm", "exec"), ("pnpm", "dlx"), ("yarn", "dlx"), ("bun", "x")}
_PYPI_RUNNERS = {("uvx",), ("uv", "tool", "run"), ("pipx", "run")}
_IMAGE_RUNNERS = {("docker", "run"), ("podman", "run")}
_NPM_PACKAGE = ("-p", "--package")
_PYPI_PACKAGE = ("--from", "--spec")
_NPM_VALUES = ("-c", "--call", "-w", "--workspace", "--registry")
_PYPI_VALUES = ("--python", "--with", "--index-url", "--index", "--extra-index-url", "--default-index")
_IMAGE_VALUES = ("-e", "--env", "--env-file", "-v", "--volume", "--mount", "--name", "--network", "--net")
_IMAGE_MORE = (
    "--workdir",
    "--entrypoint",
    "-l",
    "--label",
    "--platform",
    "--add-host",
    "-m",
    "--memory",
    "-p",
    "-h",
    "-u",
)
_TAKES_VALUE = frozenset((*_NPM_VALUES, *_PYPI_VALUES, *_IMAGE_VALUES, *_IMAGE_MORE, "-u", "--user"))
"""Options of those runners whose next word is not what is run."""


def unpinned(command: str, args: Sequence[str]) -> str | None:
    """The package or image that is fetched without an exact version, or `None`."""
    words = [PurePath(command).name, *args]
    for runners, options, exact in (
        (_NPM_RUNNERS, _NPM_PACKAGE, _NPM),
        (_PYPI_RUNNERS, _PYPI_PACKAGE, _PYPI),
        (_IMAGE_RUNNERS, (), _IMAGE),
    ):
        runner = next((each for each in runners if tuple(words[: len(each)]) == each), None)
        if runner is not None:
            package = _package(words[len(runner) :], options)
            return None if package is None or _local(package) or exact.fullmatch(package) else package
    return None


def _package(words: list[str], options: tuple[str, ...]) -> str | None:
    """What is fetched: what an option names, else the first word that is no option."""
    first: str | None = None
    skip = False
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--" and first is None:
            continue
        if skip:
            skip = False
        elif name in options:
            return value if equals else next(iter(words[index + 1 :]), None)
        elif word.startswith("-"):
            skip = word in _TAKES_VALUE
        elif first is None:
            first = word
    return first


def _local(package: str) -> bool:
    return package.startswith((".", "/", "~", "file:"))
