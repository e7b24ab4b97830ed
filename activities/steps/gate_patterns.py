"""Which files belong to a check wherever it is run: tests, and what decides how tests are found and run."""

from __future__ import annotations

import configparser
import hashlib
import json
import posixpath
import tomllib

from tenuto.workflows.gate_contracts import FileRole

from ..workspace.glob_patterns import GlobPattern, compile_glob

TEST_PATTERNS = (
    "**/{tests,test,__tests__,spec,e2e}/**",
    "**/{test_*,*_test,*.test,*.spec,*_spec}.*",
    "**/*{Test,Tests,IT}.{java,kt,scala,groovy,cs,php,swift}",
    "**/*.bats",
    "**/__snapshots__/**",
)
DEFINITION_PATTERNS = (
    "**/conftest.py",
    "**/{pytest.ini,.pytest.ini,pytest.toml,tox.ini,noxfile.py,tox.toml,.coveragerc}",
    "**/{jest,vitest,vite,karma,playwright,cypress,ava,wdio,nightwatch}.config.*",
    "**/{.mocharc,.mocharc.*,.nycrc,.nycrc.*,.rspec,phpunit.xml,phpunit.xml.dist,phpunit.dist.xml}",
    "**/{Makefile,makefile,GNUmakefile,justfile,Justfile,Rakefile,Taskfile.yml,Taskfile.yaml}",
    "**/{.cargo/config.toml,.config/nextest.toml,nextest.toml}",
    "{.github/workflows/**,.gitlab-ci.yml,.circleci/**,azure-pipelines.yml,Jenkinsfile}",
    # What a test runner loads before any test: a new one of these takes the check over.
    "**/{sitecustomize.py,usercustomize.py,*.pth}",
    "{pytest,unittest,_pytest,doctest}{.py,/**}",
)
PARTS: dict[str, tuple[str, ...]] = {
    "package.json": ("scripts", "jest", "mocha", "ava", "vitest", "nyc", "c8", "tap"),
    "pyproject.toml": ("pytest", "coverage", "tox", "nox", "poe", "taskipy", "unittest"),
    "setup.cfg": ("tool:pytest", "pytest", "tox", "coverage:run", "coverage:report"),
}
"""Files of which only these parts belong to a check: dependencies and versions may change."""
CACHES = frozenset(
    (
        "__pycache__",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        "node_modules",
        ".coverage",
        ".hypothesis",
        ".nyc_output",
    )
)
"""What a check leaves behind itself: a tree with it is the same tree."""


def compiled(patterns: tuple[str, ...] | list[str]) -> list[GlobPattern]:
    """Patterns for `matches`. Raises `ValueError` where one is none."""
    if not all(pattern.strip() for pattern in patterns):
        raise ValueError("a pattern of files is empty")
    return [each for pattern in patterns for each in compile_glob(pattern)]


def matches(path: str, patterns: list[GlobPattern]) -> bool:
    """Whether one of the patterns matches the path as a whole, or its name where the pattern is a bare name."""
    return any(pattern.matches(path) for pattern in patterns)


_TESTS, _DEFINITIONS = compiled(TEST_PATTERNS), compiled(DEFINITION_PATTERNS)


def role_of(path: str, further: list[GlobPattern]) -> FileRole | None:
    """What a file is to a check; `None` for all others. `further` are definitions that the project names."""
    if posixpath.basename(path) in PARTS or matches(path, further) or matches(path, _DEFINITIONS):
        return "definition"
    return "test" if matches(path, _TESTS) else None


def is_cache(path: str) -> bool:
    """Whether a check may have left it behind."""
    return path.endswith((".pyc", ".pyo")) or not CACHES.isdisjoint(path.split("/"))


def gate_hash(path: str, data: bytes) -> str:
    """Hash of what of a file belongs to a check."""
    return hashlib.sha256(_part(posixpath.basename(path), data)).hexdigest()


def _part(name: str, data: bytes) -> bytes:
    keys = PARTS.get(name)
    if keys is None:
        return data
    try:
        text = data.decode("utf-8")
        if name == "package.json":
            whole = json.loads(text)
        elif name == "pyproject.toml":
            whole = tomllib.loads(text).get("tool", {})
        else:
            parser = configparser.RawConfigParser()
            parser.read_string(text)
            whole = {section: dict(parser[section]) for section in parser.sections()}
        return json.dumps({key: whole[key] for key in keys if key in whole}, sort_keys=True).encode()
    except (ValueError, AttributeError, TypeError, configparser.Error):
        return data  # what cannot be read in parts counts as a whole
