"""Answers that only keep a place, of an agent whose tools all failed: it found nothing out, and says so in no word.

Such an answer looks like a finding and is none. It is held to be one only where nothing speaks for it: every call of a
tool failed or was refused, and no part of the answer says anything. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from .transcript import Message

WORDS = frozenset(
    {"", "placeholder", "n/a", "na", "none", "null", "todo", "tbd", "unknown", "not available", "lorem ipsum"}
)
"""Texts that say nothing, whatever their case; signs around them (`<TODO>`, `-`, `…`) make no difference."""
ANSWERED_NO = 1
"""The exit code by which `grep`, `diff`, `test` and test runners say no: an agent that answers "none" has looked."""
_SIGNS = " \t\r\n.…-\u2013\u2014_*`'\"<>[](){}!?:;"
_FENCE = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_ERROR = "_error"


def calls_in_vain(messages: Sequence[Message]) -> int:
    """How many calls of tools there were, if not a single one succeeded; else 0.

    One whose outcome is unknown may have. Calls before a follow-up count: what they found is known to whoever goes on.
    """
    outcomes = [succeeded for message in messages for succeeded in _outcomes(message)]
    return 0 if any(outcomes) else len(outcomes)


def only_placeholders(value: Any, meant: frozenset[str] = frozenset()) -> bool:
    """Whether an answer says nothing: a text, also one that is JSON, or the value of a schema.

    Args:
        meant: texts that the schema names as possible answers; they are said in earnest.
    """
    if isinstance(value, str):
        if value in meant:
            return False
        fenced = _FENCE.fullmatch(value)
        try:
            inner = json.loads(fenced[1] if fenced else value)
        except (ValueError, RecursionError):
            return _empty(value)
        if not isinstance(inner, dict | list):
            return _empty(value)
        value = inner
    try:
        leaves = list(_leaves(value))
    except RecursionError:
        return False
    texts = [leaf for leaf in leaves if isinstance(leaf, str)]
    others = any(leaf for leaf in leaves if not isinstance(leaf, str | bool))
    return bool(texts) and not others and all(text not in meant and _empty(text) for text in texts)


def words_of(schema: dict[str, Any]) -> frozenset[str]:
    """Texts that a schema names itself (`enum`, `const`), wherever it does."""
    return frozenset(_named(schema))


def _empty(text: str) -> bool:
    return " ".join(text.strip(_SIGNS).casefold().split()) in WORDS


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _named(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _named(item)
    elif isinstance(schema, dict):
        for key, item in schema.items():
            if key in ("enum", "const"):
                yield from (each for each in _leaves(item) if isinstance(each, str))
            yield from _named(item)


def _outcomes(message: Message) -> Iterator[bool]:
    """Of each call that was answered in a message: whether it may have succeeded."""
    if message.calls:
        yield from (call.ok or call.unknown or call.exit_code == ANSWERED_NO for call in message.calls)
        return
    if isinstance(message.content, str):
        return
    for block in message.content:
        kind = str(block.get("type"))
        if kind == "tool_result":
            yield not block.get("is_error")
        elif kind.endswith("_tool_result"):  # of a tool that the API runs
            content = block.get("content")
            yield not (isinstance(content, dict) and str(content.get("type")).endswith(_ERROR))
