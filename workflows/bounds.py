"""How long texts may be where Temporal or a person takes only so much. Pure.

Payloads of any size go through the store. What does not: messages of failures and refusals, which are text in a history
and in a response of at most 4 MiB; summaries; and the memo, which every listing carries.
"""

from __future__ import annotations

from typing import Any

MESSAGE_CHARS = 8_000
"""Of the message of a failure or a refusal."""
TITLE_CHARS = 200
"""Of a phase, of a summary in the Temporal UI, of a search attribute."""
LINE_CHARS = 16_000
"""Of a narrator line in a run's status. Its log file has it whole."""
SHOWN_CHARS, SHOWN_ITEMS = 2_000, 100
"""Of one text, and of one list, in a memo."""
GIVEN_CHARS_MAX = 24_000_000
"""Of all that an `agent()` call is given. The Messages API takes requests of at most 32 MB."""


def cut(text: str, chars: int) -> str:
    """The text, or its beginning and how long it was."""
    return text if len(text) <= chars else f"{text[:chars]}… ({len(text):,} characters in all)"


def shown(value: Any) -> Any:
    """Plain JSON with every text and every list in it cut to what a memo may hold."""
    if isinstance(value, str):
        return cut(value, SHOWN_CHARS)
    if isinstance(value, dict):
        return {cut(key, TITLE_CHARS): shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value[:SHOWN_ITEMS]]
    return value
