"""Rules on files: of the file tools, and of commands that name files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .globs import ANY
from .layers import Layer
from .paths import Located, located
from .programs import READERS, WRITERS
from .refusals import Refusal
from .rules import READING, WRITING, Rule
from .words import Word
from .wrappers import Seen

_SEARCHING = ("Glob", "Grep")
Places = tuple[str, str | None]
"""Where the agent works, and the run's workspace where that is another one."""


def path_refusal(
    layer: Layer, tool: str, path: str, places: Places, index: int, *, real: Callable[[str], str] | None = None
) -> Refusal | None:
    """Why a layer refuses a file, or the folder of a search; `None` if it does not."""
    names = [path] if real is None else list(dict.fromkeys((path, real(path))))
    allowing = layer.allowing(tool)
    for name in names:
        place = located(name, *places)
        rule = next((rule for rule in _denying(layer.deny, tool) if rule.path and rule.path.matches(place)), None)
        if rule is not None:
            return Refusal.denied(tool, rule, index, path)
        if layer.allow is not None and not any(_allows(rule, tool, place) for rule in allowing):
            if place.relative is None:
                return Refusal(
                    f"{tool}: {path} is outside of the workspace {places[0]}; only files in it can be used.",
                    None,
                    "copy the file into the workspace",
                )
            return Refusal.not_allowed(tool, path, allowing, index, _hint(tool, place))
    return None


def path_of(tool: str, input: Mapping[str, Any]) -> str:
    """The file that a call is about; for a search the folder, with the part of the pattern that has no wildcard."""
    path = str(input.get("file_path") or input.get("notebook_path") or input.get("path") or ".")
    if tool != "Glob":
        return path
    pattern = str(input.get("pattern") or "")
    folder = re.split(r"[*?\[{]", pattern, maxsplit=1)[0]
    folder = folder if folder == pattern else folder.rpartition("/")[0] + ("/" if folder.startswith("/") else "")
    if pattern.startswith("/"):
        return folder
    return f"{path}/{folder}" if folder else path


def hidden_by(layers: Sequence[Layer], path: str, places: Places) -> bool:
    """Whether a denying rule hides a file from tools that read or search."""
    place = located(path, *places)
    rules = (rule for layer in layers for rule in _denying(layer.deny, "Read"))
    return any(rule.path is None or rule.path.matches(place) for rule in rules)


def named_in_command(layer: Layer, seen: Seen, places: Places, index: int) -> Refusal | None:
    """Why a command is refused for the files that it names. A program may still find them by itself: the walls are
    the sandbox's, this is a sign at the door."""
    reading = [rule for rule in _denying(layer.deny, "Read") if rule.path is not None]
    writing = [rule for rule in _denying(layer.deny, "Write") if rule.path is not None]
    if not reading and not writing:
        return None
    for rules, tool, words in ((reading, "Read", _read(seen)), (writing, "Write", _written(seen))):
        for name in _names(words) if rules else ():
            place = located(name, *places)
            rule = next((rule for rule in rules if rule.path and rule.path.matches(place)), None)
            if rule is not None:
                return Refusal.denied("Bash", rule, index, f"the use of {name} ({tool})")
    return None


def _denying(rules: Sequence[Rule], tool: str) -> Iterator[Rule]:
    """Rules that deny a tool; a path that may not be read cannot be edited either, for that shows what is in it."""
    for rule in rules:
        if rule.names(tool, denying=True) or (tool == WRITING[0] and rule.path is not None and rule.tool in READING):
            yield rule


def _allows(rule: Rule, tool: str, place: Located) -> bool:
    if rule.path is None:
        return place.relative is not None
    return rule.path.matches_all_below(place) if tool in _SEARCHING else rule.path.matches(place)


def _hint(tool: str, place: Located) -> str:
    family = READING[0] if tool in READING else WRITING[0]
    return f"{family}(./{place.relative}{'/**' if tool in _SEARCHING else ''})"


def _read(seen: Seen) -> Iterator[Word]:
    yield from (each.target for each in seen.redirects if not each.writes)
    for command in seen.suspects:
        if command.name in READERS:
            yield from command.words[1:]


def _written(seen: Seen) -> Iterator[Word]:
    yield from (each.target for each in seen.redirects if each.writes)
    for command in seen.suspects:
        if command.name in WRITERS:
            yield from command.words[1:]


def _names(words: Iterator[Word]) -> Iterator[str]:
    """What may be a path in words: `--file=x`, `@x` and `HEAD:x` name `x`."""
    for word in words:
        for part in dict.fromkeys((word.value, *re.split(r"[=:@,]", word.value))):
            if part and ANY not in part and "\0" not in part:
                yield part
