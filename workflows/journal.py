"""The journal's keys: what makes two `agent()` calls the same work. Pure.

An entry is named by its key and an ordinal among identical calls. Everything that an agent's answer rests on is in the
key; how a call is shown, when it was made and what it may cost is not, so that a script may be rearranged freely.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .contracts import RunAgentInput

PATH_CHARS_MAX = 1024
"""Longer `context` items are text, whatever files there are."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a call's answer rests on and its input does not hold."""

    agent_type: str | None = None
    """sha256 of the definition that the call names."""
    instructions: str = ""
    """sha256 of the instructions that every agent of the run is given."""
    base: str | None = None
    """Commit that a checkout of the agent's own begins at."""
    context: Sequence[str | None] = ()
    """By item of `context`: sha256 of the files it names, `None` for an item that is text itself."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Path -> sha256 of the files that the call says it depends on."""


def key_of(input: RunAgentInput, material: Material, *, continues: str | None = None) -> str:
    """sha256 over canonical JSON of all that decides the answer of a call.

    Args:
        continues: the entry of the agent whose conversation goes on.

    Label, phase, caps (`max_usd`, `timeout`, `stall_ms`) and the run's and the agent's ids are not in it.
    """
    return hashlib.sha256(_canonical(parts_of(input, material, continues=continues)).encode()).hexdigest()


def parts_of(input: RunAgentInput, material: Material, *, continues: str | None = None) -> dict[str, Any]:
    """What the key of a call is made of, by name. Arguments as `key_of`."""
    given = {
        "prompt": input.prompt,
        "schema": input.output_schema,
        "model": input.model,
        "effort": input.effort,
        "isolation": input.isolation,
        "agent_type": [input.agent_type, material.agent_type],
        "tools": input.tools,
        "context": _context(input.context or (), material.context),
        "inputs": dict(material.inputs),
        "base": (input.base or material.base) if input.isolation is not None else None,
        "instructions": material.instructions if input.setup is not None else None,
        "equipped": input.setup is not None,
        "simulate": input.simulate,
    }
    return given if continues is None else given | {"continues": continues}


STEP_ARGUMENTS = {
    "sh": ("command", "cwd", "env"),
    "write": ("path", "text"),
    "mcp": ("server", "tool", "input"),
    "ask": ("question", "options"),
}
"""By step that has entries: the arguments that make it the same. What only looks is looked at again."""


def step_key(op: str, args: Mapping[str, Any]) -> str | None:
    """As `key_of`, of a step; `None` for one that has no entries."""
    names = STEP_ARGUMENTS.get(op)
    if names is None:
        return None
    given = {name: args[name] for name in names if args.get(name) is not None}
    return hashlib.sha256(_canonical({"step": op, **given}).encode()).hexdigest()


def needs_files(input: RunAgentInput, inputs: Sequence[str]) -> bool:
    """Whether the workspace has to be looked at for the key of a call."""
    if input.setup is None:
        return False
    return bool(inputs) or any(may_name_files(item) for item in input.context or ())


def may_name_files(item: str) -> bool:
    """Whether an item of `context` could be a path or a pattern; all else is text without a look."""
    return bool(item.strip()) and len(item) <= PATH_CHARS_MAX and item.isprintable()


class Ordinals:
    """Numbers identical calls in the order in which they are made: `{key}-{n}`, from 0."""

    def __init__(self, next_: Mapping[str, int] | None = None) -> None:
        self._next: Counter[str] = Counter(next_)

    @property
    def next(self) -> dict[str, int]:
        """Key -> number of the next such call, to go on from."""
        return dict(self._next)

    def name(self, key: str) -> str:
        """The entry of the next call with this key."""
        number = self._next[key]
        self._next[key] += 1
        return f"{key}-{number}"


def _context(items: Sequence[str], files: Sequence[str | None]) -> list[list[str]]:
    known = [*files, *[None] * (len(items) - len(files))]
    return [["text", item] if sha256 is None else ["files", sha256] for item, sha256 in zip(items, known, strict=True)]


def _canonical(value: Any) -> str:
    """The same text for equal values, whatever the order of their keys; every string has one, half surrogates too."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
