"""Glob patterns as regular expressions that never backtrack far: a model writes them, and `re` holds the whole Worker.

`**` is any number of folders, `*` and `?` stay within one name, `[…]` and `[!…]` are sets, `{a,b}` are alternatives
(nested ones too), a backslash takes the next character as it is. Names that begin with a dot are like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

ALTERNATIVES_MAX = 256
"""Patterns that braces may multiply into."""
_MAGIC = frozenset("*?[{\\")


@dataclass(frozen=True, slots=True)
class GlobPattern:
    """A pattern without braces. `fixed` are its parts before the first wildcard; `rest` matches what follows them."""

    fixed: tuple[str, ...]
    rest: re.Pattern[str] | None
    """`None` for a pattern without wildcards: it names one file."""

    def matches(self, path: str) -> bool:
        """Whether a relative path matches as a whole."""
        prefix = "".join(f"{part}/" for part in self.fixed)
        if self.rest is None:
            return path + "/" == prefix
        return path.startswith(prefix) and self.rest.match(path[len(prefix) :]) is not None


def compile_glob(pattern: str) -> list[GlobPattern]:
    """The alternatives of a pattern.

    Raises:
        ValueError: it is empty, or its braces give too many alternatives.
    """
    found = []
    for plain in dict.fromkeys(_braces(pattern)):
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if plain.endswith("/") or not parts:
            # A folder is meant: everything below it.
            parts.append("**")
        count = next((index for index, part in enumerate(parts) if _MAGIC & set(part)), len(parts))
        rest = re.compile(_rest(parts[count:]), re.DOTALL) if count < len(parts) else None
        found.append(GlobPattern(tuple(parts[:count]), rest))
    return found


def _rest(parts: list[str]) -> str:
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(_part(part))
    first, *others = ["/".join(run) for run in runs]
    if not others:
        return first + r"\Z"
    *middle, last = others
    # After `**` the leftmost place where a run of names fits is as good as any other: no way back is needed.
    text = f"{first}/" if first else ""
    text += "".join(f"(?>(?:[^/]+/)*?{run}/)" for run in middle if run)
    return text + (rf"(?:[^/]+/)*{last}\Z" if last else r".+\Z")


def _part(part: str) -> str:
    """One name. Between two `*` the leftmost fit of a piece is as good as any other, too."""
    first, *others = _pieces(part)
    if not others:
        return first
    *middle, last = others
    return f"(?>{first}" + "".join(f"(?>[^/]*?{piece})" for piece in middle) + f"[^/]*{last}(?=/|\\Z))"


def _pieces(part: str) -> list[str]:
    """What lies between the `*` of a name, as expressions of fixed length."""
    pieces = [""]
    index = 0
    while index < len(part):
        character = part[index]
        index += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "[" and (end := _set_end(part, index)) is not None:
            pieces[-1] += _set(part[index:end])
            index = end + 1
        else:
            if character == "\\" and index < len(part):
                character = part[index]
                index += 1
            pieces[-1] += re.escape(character)
    # Several `*` in a row are one.
    return [pieces[0], *(piece for piece in pieces[1:-1] if piece), *pieces[-1:]] if len(pieces) > 1 else pieces


def _set_end(part: str, start: int) -> int | None:
    """Where a set closes; a bracket in its first place is a member."""
    first = start + (part[start : start + 1] in ("!", "^"))
    end = part.find("]", first + 1)
    return end if end >= 0 else None


def _set(inside: str) -> str:
    negated = inside[:1] in ("!", "^")
    members = inside[1:] if negated else inside
    text, index = "", 0
    while index < len(members):
        low = members[index]
        if members[index + 1 : index + 2] == "-" and index + 2 < len(members):
            high = members[index + 2]
            index += 3
            # A range the wrong way round is empty.
            text += f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
        else:
            text += re.escape(low)
            index += 1
    if not text:
        return "[^/]" if negated else "(?!)"
    return rf"(?!/)[{'^' if negated else ''}{text}]"


def _braces(pattern: str) -> list[str]:
    """A pattern with braces as those without. Braces that do not close, or have no comma, stand for themselves."""
    done: list[str] = []
    pending = [pattern]
    while pending:
        text = pending.pop()
        group = _first_group(text)
        if group is None:
            done.append(text)
        else:
            start, end, choices = group
            pending += [text[:start] + choice + text[end:] for choice in reversed(choices)]
        if len(done) + len(pending) > ALTERNATIVES_MAX:
            raise ValueError(f"the braces of this pattern give more than {ALTERNATIVES_MAX} alternatives")
    return done


def _first_group(text: str) -> tuple[int, int, list[str]] | None:
    """Start, end and choices of the first group `{a,b}`."""
    opened: list[tuple[int, list[int]]] = []
    index = 0
    found: tuple[int, int, list[str]] | None = None
    while index < len(text):
        character = text[index]
        if character == "\\":
            index += 1
        elif character == "{":
            opened.append((index, []))
        elif character == "," and opened:
            opened[-1][1].append(index)
        elif character == "}" and opened:
            start, commas = opened.pop()
            if commas and (found is None or start < found[0]):
                cuts = [start, *commas, index]
                choices = [text[low + 1 : high] for low, high in pairwise(cuts)]
                found = (start, index + 1, choices)
            if not opened and found is not None:
                return found
        index += 1
    return found
