"""Which files belong to a check wherever it is run: tests, and what decides how tests are found and run."""

from __future__ import annotations

import configparser
import hashlib
import json
import posixpath
import re
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
    "**/{pytest.ini,.pytest.ini,pytest.toml,.pytest.toml,tox.ini,noxfile.py,tox.toml,.coveragerc}",
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
    ".npmrc": ("script-shell", "shell", "node-options", "prefix", "ignore-scripts", "if-present"),
    ".yarnrc.yml": ("yarnPath", "plugins"),
}
"""Files of which only these parts belong to a check: dependencies and versions may change."""
TOOLS: dict[str, tuple[str, ...]] = {
    "ruff": ("**/{ruff.toml,.ruff.toml}",),
    "mypy": ("**/{mypy.ini,.mypy.ini}",),
    "flake8": ("**/.flake8",),
    "pylint": ("**/{pylintrc,.pylintrc,pylintrc.toml,.pylintrc.toml}",),
    "pyright": ("**/pyrightconfig.json",),
    "eslint": ("**/{.eslintrc,.eslintrc.*,eslint.config.*,.eslintignore}",),
    "tsc": ("**/{tsconfig.json,tsconfig.*.json}",),
    "prettier": ("**/{.prettierrc,.prettierrc.*,prettier.config.*,.prettierignore}",),
    "biome": ("**/{biome.json,biome.jsonc}",),
    "golangci-lint": ("**/.golangci.*",),
    "clippy": ("**/{clippy.toml,.clippy.toml}",),
}
"""What decides what a checker objects to: it belongs to the checks that run this checker, and to no other."""
TOOL_PARTS: dict[str, dict[str, str]] = {
    "pyproject.toml": {tool: tool for tool in TOOLS},
    "setup.cfg": {tool: tool for tool in TOOLS},
    "package.json": {"eslint": "eslintConfig", "prettier": "prettier"},
}
"""Parts of files of `PARTS` that checkers go by, by checker."""
_PROSE = re.compile(r"\.(?:md|markdown|rst|adoc)$", re.I)
_NOTES = re.compile(r"(?:readme|notes?|changes|changelog|license|todo|design|plan|requirements)\b[^/]*\.txt$", re.I)
_DATA = re.compile(
    r"(?:^|/)(?:fixtures?|data|testdata|test_data|golden|expected|snapshots?|__snapshots__|cases|resources|samples?|"
    r"corpus|approved)/|(?:golden|expected|snapshot|approved)[^/]*$|(?:^|/)(?:test_[^/]*|[^/]*[._]test\.[^/]*)$",
    re.I,
)
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
    return "test" if matches(path, _TESTS) and not is_prose(path) else None


def is_prose(path: str) -> bool:
    """Whether a file beside tests is for people to read (`spec/design.md`), and not what a test is held against."""
    text = _PROSE.search(path) or _NOTES.search(path.rpartition("/")[2])
    return bool(text or re.match(r"spec/.*\.txt$", path)) and not _DATA.search(path)


def tools_in(text: str) -> list[str]:
    """Checkers that commands name."""
    return [tool for tool in TOOLS if re.search(rf"(?<![\w.-]){re.escape(tool)}(?![\w.-])", text)]


def is_cache(path: str) -> bool:
    """Whether a check may have left it behind."""
    return path.endswith((".pyc", ".pyo")) or not CACHES.isdisjoint(path.split("/"))


def gate_hash(path: str, data: bytes) -> str:
    """Hash of what of a file belongs to a check; `NOTHING` where it could hold such a part and does not."""
    name = posixpath.basename(path)
    keys = PARTS.get(name)
    return hashlib.sha256(data if keys is None else _part(name, data, keys)).hexdigest()


def tool_hashes(path: str, data: bytes) -> dict[str, str]:
    """Hashes of what a file that holds parts says to checkers, by checker."""
    name = posixpath.basename(path)
    found = {tool: _part(name, data, (key,)) for tool, key in TOOL_PARTS.get(name, {}).items()}
    return {tool: hashlib.sha256(part).hexdigest() for tool, part in found.items() if part not in (b"{}", data)}


NOTHING = hashlib.sha256(b"{}").hexdigest()
"""Hash of no part at all."""


def _part(name: str, data: bytes, keys: tuple[str, ...]) -> bytes:
    try:
        text = data.decode("utf-8")
        if name == "package.json":
            whole = json.loads(text)
        elif name == "pyproject.toml":
            whole = tomllib.loads(text).get("tool", {})
        elif name in (".npmrc", ".yarnrc.yml"):
            whole = dict(re.findall(r"^[ \t]*\"?([\w-]+)\"?[ \t]*[=:](.*)$", text, re.M))
        else:
            parser = configparser.RawConfigParser()
            parser.read_string(text)
            whole = {section: dict(parser[section]) for section in parser.sections()}
        return json.dumps({key: whole[key] for key in keys if key in whole}, sort_keys=True).encode()
    except (ValueError, AttributeError, TypeError, configparser.Error):
        return data  # what cannot be read in parts counts as a whole
