"""Model names: the aliases of scripts and flags, and the ids that the API knows."""

from __future__ import annotations

import re

DEFAULT_ALIAS = "sonnet"
INHERIT = "inherit"

NEWEST: dict[str, str] = {
    "haiku": "claude-haiku-5-5",
    "sonnet": "claude-sonnet-5-5",
    "opus": "claude-opus-5-5",
    "fable": "claude-fable-5-2",
}
"""Each alias with the newest model of its line."""


def resolve(model: str | None, default: str = DEFAULT_ALIAS) -> str:
    """The full id for a call's `model`.

    Args:
        model: an alias, `inherit`, a full id, or `None` where the call names none.
        default: the run's model, in the same words; it is what `inherit` and `None` mean.
    """
    name = default if model in (None, "", INHERIT) else model
    if name in (None, "", INHERIT):
        name = DEFAULT_ALIAS
    assert name is not None
    return NEWEST.get(name.lower(), name)


def short(model: str) -> str:
    """A model's id as a person reads it in a list: `sonnet-5-5` for `claude-sonnet-5-5`."""
    return model.removeprefix("claude-")


_DATE = re.compile(r"(?:-|@)20\d{6}$")
_PLATFORM = re.compile(r"^(?:[a-z-]+\.)?anthropic\.|-v\d+(?::\d+)?$")


def same(one: str, other: str) -> bool:
    """Whether two ids name the same model: a platform's prefix and the date of a snapshot make no difference."""
    return _bare(one) == _bare(other)


def _bare(model: str) -> str:
    return _DATE.sub("", _PLATFORM.sub("", model))
