"""Texts with gaps, compared with each other: patterns of rules, and commands of which a part is only known at run time.

Both are strings in which `ANY` stands for any text, the empty one included. So one question serves every rule: can
the two be the same text? Where the command has no gap, that is plain matching.
"""

from __future__ import annotations

from functools import lru_cache

ANY = "\ue000"
"""Stands for any text. A private-use character: a text that contains it by itself is never looked at (`shell.py`)."""


def glob(text: str) -> str:
    """A pattern as people write it, `*` for any text."""
    return text.replace("*", ANY)


def meets(pattern: str, text: str) -> bool:
    """Whether some text fits both. Time is proportional to the length of `text`, whatever the gaps."""
    characters, gaps, length = _compiled(pattern)
    everything = (1 << (length + 1)) - 1
    at = _over_gaps(1, gaps)
    for character in text:
        if character == ANY:
            at = everything & ~((at & -at) - 1)  # from any position, any later one can be reached
        else:
            at = _over_gaps(((at & characters.get(character, 0)) << 1) | (at & gaps), gaps)
        if not at:
            return False
    return bool(at >> length & 1)


def _over_gaps(at: int, gaps: int) -> int:
    """A gap may be empty: whoever stands before one also stands behind it. Gaps never follow one another."""
    return at | (at & gaps) << 1


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> tuple[dict[str, int], int, int]:
    """Positions of each character and of the gaps as sets of bits, and the number of positions."""
    while ANY + ANY in pattern:
        pattern = pattern.replace(ANY + ANY, ANY)
    characters: dict[str, int] = {}
    gaps = 0
    for position, character in enumerate(pattern):
        if character == ANY:
            gaps |= 1 << position
        else:
            characters[character] = characters.get(character, 0) | 1 << position
    return characters, gaps, len(pattern)
