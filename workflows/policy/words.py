"""Words of a shell command: what each one is once quotes are gone, with gaps where that is only known at run time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tree_sitter import Node

from .globs import ANY

_ANSI = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)
_ANSI_NAMES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
_PLAIN = re.compile(r"[^\s'\"\\$`|&;()<>*?\[\]{}!#]+")
_BRACES = re.compile(r"\{.*(,|\.\.).*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command."""

    raw: str
    """As it was written."""
    value: str
    """Without its quotes; `ANY` where an expansion or a file pattern stands."""
    vanishes: bool = False
    """Nothing but an expansion: it may come to no word at all, or to several."""

    @property
    def dynamic(self) -> bool:
        """Whether it is known only at run time."""
        return ANY in self.value

    @property
    def plain(self) -> str:
        """Its value where that is one unmistakable word, else as it was written."""
        return self.value if _PLAIN.fullmatch(self.value) else self.raw


def joined(words: tuple[Word, ...]) -> tuple[str, ...]:
    """The values, one space between them: with the words that may vanish, and without."""
    stay = tuple(word.value for word in words if not word.vanishes)
    every = " ".join(word.value for word in words)
    return (every,) if len(stay) == len(words) else (every, " ".join(stay))


def word_of(node: Node, source: bytes) -> Word:
    """The word of a syntax node."""
    raw = _text(source, node.start_byte, node.end_byte)
    value = _value(node, source)
    if _BRACES.search(raw) and node.type in ("word", "concatenation", "brace_expression"):
        return Word(raw, ANY, vanishes=True)
    return Word(raw, value, vanishes=value == ANY)


def literal_word(value: str) -> Word:
    """A word that was taken out of another one."""
    return Word(value, value)


def _value(node: Node, source: bytes) -> str:
    raw = _text(source, node.start_byte, node.end_byte)
    match node.type:
        case "word" | "number" | "variable_name" | "test_operator" | "extglob_pattern" | "regex":
            return _unquoted(raw)
        case "raw_string" | "ansi_c_string":
            return raw[1:-1] if raw.startswith("'") else _ANSI.sub(_ansi, raw[2:-1])
        case "string":
            return _double_quoted(node, source)
        case "concatenation" | "command_name":
            return "".join(_pieces(node, source))
        case _:
            return ANY


def _pieces(node: Node, source: bytes) -> list[str]:
    pieces, at = [], node.start_byte
    for child in node.children:
        pieces.append(_unquoted(_text(source, at, child.start_byte)))
        pieces.append(_value(child, source))
        at = child.end_byte
    return [*pieces, _unquoted(_text(source, at, node.end_byte))]


def _double_quoted(node: Node, source: bytes) -> str:
    """By the bytes between expansions, not by the nodes: those leave out blanks at the start of a string."""
    pieces, at = [], node.start_byte + 1
    for child in node.named_children:
        if child.type != "string_content":
            pieces += [_unescaped(_text(source, at, child.start_byte)), ANY]
            at = child.end_byte
    pieces.append(_unescaped(_text(source, at, max(at, node.end_byte - 1))))
    return "".join(pieces)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([$`\"\\])", r"\1", text.replace("\\\n", ""))


def _unquoted(text: str) -> str:
    """Backslashes taken off; file patterns become gaps."""
    value, position = [], 0
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            position += 1
            value.append("" if text[position] == "\n" else text[position])
        elif character in "*?[":
            value.append(ANY)
            if character == "[":  # what the brackets hold decides how much of the rest belongs to them
                break
        else:
            value.append(character)
        position += 1
    return "".join(value)


def _ansi(found: re.Match[str]) -> str:
    for number, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if found[number]:
            code = int(found[number], base)
            return chr(code) if 0 < code < 0x110000 else ANY
    if found[5]:
        return ANY
    return _ANSI_NAMES.get(found[6], found[6])


def _text(source: bytes, start: int, end: int) -> str:
    return source[start:end].decode("utf-8", "replace")
