"""Values on their way into and out of the interpreter: plain JSON, whatever a script or an agent makes of them."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 128
"""Deepest nesting that every JSON parser behind us accepts (the strictest stops at 200)."""


def to_script(value: Any) -> Any:
    """A JSON value as the interpreter accepts it: lone surrogates, which it refuses, become U+FFFD.

    Raises:
        TypeError, ValueError: the value is not plain JSON.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def from_script(text: str) -> Any:
    """The value of JSON text that a script made; NaN and the infinities become `None`, as in JavaScript's JSON.

    Raises:
        ValueError: nested deeper than `MAX_DEPTH`, or not JSON.
    """
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        level = [
            child
            for parent in level
            if isinstance(parent, list | dict)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, list | dict)
        ]
    return value
