"""Which files of a workspace a check runs: the scripts that a command names, and those that these name in turn.

A file that is only an argument of a program (`ruff check app.py`, `grep -q done notes.md`) is what is checked, not what
checks it.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator

FOLLOWED_MAX = 200
TARGET_FILES = frozenset(("Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "package.json"))
SCRIPT_BYTES_MAX = 256 * 1024
_WRAPPERS = frozenset(
    [
        "env",
        "timeout",
        "nice",
        "time",
        "exec",
        "command",
        "npx",
        "bunx",
        "sudo",
        "xargs",
        "stdbuf",
        "nohup",
        "pipx",
        "uvx",
        "then",
        "do",
        "else",
        "!",
    ]
)
_RUNNERS = frozenset(("uv", "poetry", "pdm", "hatch", "rye", "pipenv", "bundle"))
_INTERPRETERS = re.compile(
    r"(?:sh|bash|dash|zsh|ksh|source|\.|python[\d.]*|pypy3?|node|deno|bun|ruby|perl|php|tsx|ts-node|Rscript|lua)"
)
_OPTIONS_WITH_FILE = frozenset(
    ("-c", "--config", "--config-file", "-f", "--file", "--makefile", "--rcfile", "--project")
)
_CHECKS = re.compile(r"(?:pre|post)?(?:test|check|lint|verify|validate|ci\b|spec|e2e|unit|type)")
_BREAKS = re.compile(r"^[;&|()<>{}\n]+$")

_OUTPUTS = re.compile(
    r"--(?:junit-?xml|html|json-report-file|report-log|result-?log|output-?file|report-file|cov-report)[ =](?:\w+:)?"
    r"['\"]?([\w@%+./-]+)|(?:\d?>>?|\btee(?:\s+-a)?)\s*['\"]?([\w@%+./-]+)"
)
_HERE = (
    # "$(dirname "$0")", ${0%/*} and their like: where the script lies, which is one of the places looked at.
    (re.compile(r"\$\(\s*dirname\s+(?:--\s+)?\"?\$\{?(?:0|BASH_SOURCE(?:\[0\])?)\}?\"?\s*\)"), "."),
    (re.compile(r"`\s*dirname\s+\"?\$\{?(?:0|BASH_SOURCE(?:\[0\])?)\}?\"?\s*`"), "."),
    (re.compile(r"\$\{(?:0|BASH_SOURCE(?:\[0\])?)%/\*\}"), "."),
    (re.compile(r"\$\(\s*cd\s+(?:--\s+)?\"?(\.[\w./-]*)\"?[^()&;]*&&\s*pwd(?:\s+-P)?\s*\)"), r"\1"),
)
_ASSIGNED = re.compile(r"^\s*(?:export\s+|readonly\s+|local\s+)?([A-Za-z_]\w*)=([\"']?)([\w@%+./-]+)\2\s*;?\s*$", re.M)
_INCLUDED = re.compile(r"^[ ]*(?:-|s)?include[ \t]+([^#\n]+)", re.M)

Exists = Callable[[str], bool]
Text = Callable[[str], str | None]


def scripts_of(command: str, cwd: str, exists: Exists, text: Text) -> set[str]:
    """Paths, relative to the workspace, of the scripts that a command runs, over all steps that can be seen.

    Args:
        exists: whether there is a file of that path.
        text: the text of such a file; `None` where it is none.
    """
    found: set[str] = set()
    waiting = [(command, cwd)]
    while waiting and len(found) < FOLLOWED_MAX:
        commands, folder = waiting.pop()
        for path in _run_by(commands, folder, exists):
            if path not in found:
                found.add(path)
                inner = text(path)
                if inner is not None and _is_shell(path, inner):
                    # A script is started where its caller stands, and often goes to where it lies.
                    waiting += [(inner, folder), (inner, posixpath.dirname(path) or ".")]
    return found


def commands_in(path: str, content: str, command: str = "") -> str:
    """The commands of the checks that a Makefile or a `package.json` holds, as one text; empty for other files.

    Checks are the targets that `command` names and those that are called like one: `make run` starts the work itself.
    """
    named = set(re.findall(r"[\w.:/-]+", command))
    if posixpath.basename(path) == "package.json":
        try:
            scripts = json.loads(content).get("scripts", {})
            return "\n".join(str(each) for name, each in scripts.items() if name in named or _CHECKS.match(name))
        except (ValueError, AttributeError):
            return ""
    lines, wanted = [], False
    for line in content.splitlines():
        target = re.match(r"([\w.:/ -]+?)\s*:(?!=)", line)
        if target:
            names = target[1].split()
            wanted = any(name in named or _CHECKS.match(name) for name in names)
        elif wanted and line[:1] in ("\t", " "):
            lines.append(line.strip().lstrip("@-+"))
    return "\n".join(lines)


def included_in(path: str, content: str) -> list[str]:
    """Paths of what a Makefile includes; files of dependencies, which a compiler writes, left out."""
    folder, name = posixpath.split(path)
    if name == "package.json":
        return []
    words = [word for line in _INCLUDED.findall(content) for word in line.split()]
    words = [word for word in words if not word.endswith((".d", ".dep"))]
    return [posixpath.normpath(posixpath.join(folder, word)) for word in words]


def outputs_of(command: str, cwd: str) -> set[str]:
    """Paths, relative to the workspace, that a command itself writes: reports and logs."""
    named = (first or second for first, second in _OUTPUTS.findall(command))
    return {posixpath.normpath(posixpath.join(cwd, path)) for path in named}


def _plain(commands: str) -> str:
    """Commands with the ways to write "where this script lies", and variables of plain text, put in."""
    for pattern, text in _HERE:
        commands = pattern.sub(text, commands)
    for name, _, value in _ASSIGNED.findall(commands)[:50]:
        commands = re.sub(rf"\$(?:\{{{name}\}}|{name}\b)", value, commands)
    return commands


def _is_shell(path: str, content: str) -> bool:
    first = content.split("\n", 1)[0]
    return path.endswith((".sh", ".bash", ".zsh")) or (first.startswith("#!") and "sh" in first)


def _run_by(commands: str, cwd: str, exists: Exists) -> Iterator[str]:
    folder = cwd
    for words in _simple_commands(commands):
        if words[0] == "cd" and len(words) > 1:
            folder = posixpath.normpath(posixpath.join(folder, words[1]))
            continue
        for word in _executed(words):
            for start in dict.fromkeys((folder, cwd, ".")):
                path = posixpath.normpath(posixpath.join(start, word))
                if exists(path):
                    yield path
                    break


def _simple_commands(commands: str) -> Iterator[list[str]]:
    for line in _plain(commands.replace("\\\n", " ")).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>{}")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # a quote that is closed on another line
            words = line.replace("'", " ").replace('"', " ").split()
        current: list[str] = []
        for word in [*words, ";"]:
            if _BREAKS.match(word):
                if current:
                    yield current
                current = []
            else:
                current.append(word)


def _executed(words: list[str]) -> Iterator[str]:
    """Words of one simple command that may name what it runs."""
    while words and (re.match(r"\w+=", words[0]) or words[0] in _WRAPPERS or words[0] in ("if", "while", "until")):
        wrapper = words.pop(0)
        while words and wrapper in _WRAPPERS and re.match(r"-|[\d.]+[smhd]?$", words[0]):
            words.pop(0)
    if not words:
        return
    program, rest = posixpath.basename(words[0]), words[1:]
    if program in _RUNNERS and rest[:1] in (["run"], ["exec"]):
        yield from _executed(rest[1:])
        return
    if "/" in words[0]:
        yield words[0]
    if _INTERPRETERS.fullmatch(program) or words[0] == ".":
        yield from _interpreted(program, rest)
    for option, value in zip(rest, [*rest[1:], ""], strict=False):
        if option in _OPTIONS_WITH_FILE and not _INTERPRETERS.fullmatch(program):
            yield value
        elif option.startswith("--config=") or option.startswith("--file="):
            yield option.partition("=")[2]


def _interpreted(program: str, rest: list[str]) -> Iterator[str]:
    for index, word in enumerate(rest):
        if word == "-m" and program.startswith(("python", "pypy")) and index + 1 < len(rest):
            module = rest[index + 1].replace(".", "/")
            yield from (f"{module}.py", f"{module}/__main__.py")
            return
        if word == "-c" and index + 1 < len(rest):
            if not program.startswith(("python", "pypy", "ruby", "perl", "php", "node")):
                for words in _simple_commands(rest[index + 1]):
                    yield from _executed(words)
            return
        if not word.startswith("-") and word not in ("run", "test"):
            yield word
            return
