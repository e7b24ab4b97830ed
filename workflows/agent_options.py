"""The options of an `agent()` call, as scripts give them: turned into what they stand for. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from .failure_kinds import BAD_OPTION, UNUSABLE_SCHEMA
from .script.protocol import CallError

PASSED_ON = ("effort", "stall_ms", "max_usd")
WITH_TOOLS = ("agent_type", "tools", "context", "merge")
"""Passed on where the run has a setup: an agent of a run without one has no tools and no workspace."""


def text(value: Any) -> str | None:
    """A text; other values are turned into one."""
    return None if value is None else str(value)


def files(value: Any) -> list[str]:
    """`inputs` of a call: paths and patterns, or one."""
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def texts(key: str, value: Any) -> Any:
    """One text stands for a list of one, where a list is meant."""
    return [value] if key in ("tools", "context") and isinstance(value, str) else value


def bad_option(error: ValidationError) -> CallError:
    """An option of a type that it does not take."""
    first = error.errors()[0]
    field = str(first["loc"][0])
    option = {"output_schema": "schema", "timeout_s": "timeout"}.get(field, field)
    kind = UNUSABLE_SCHEMA if option == "schema" else BAD_OPTION
    return CallError(kind=kind, message=f"agent(): the option {option} cannot be used: {first['msg']}")
