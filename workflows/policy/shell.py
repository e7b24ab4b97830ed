"""A shell command taken apart by a real parser: every simple command in it, wherever it hides.

In lists, pipes, subshells, substitutions, functions, loops, here-documents. What is inside the arguments of `sh -c`,
`xargs` and the like is for `wrappers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from .globs import ANY
from .programs import KEYWORDS
from .words import Word, literal_word, word_of

TEXT_MAX = 128 * 1024
"""Characters of a command that are looked into; a longer one counts as one that cannot be parsed."""
_LANGUAGE = Language(tree_sitter_bash.language())
_UNSURE = re.compile(rf"[\0\r\f\v\ue001{ANY}]|\S\\\n|\n[ \t]*\\\n")
"""Where the parser and the shell read different words: control characters, a line that goes on within a word."""
_HIDING = re.compile(r"ENV|BASH_ENV|BASH_FUNC_.*|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|GIT_CONFIG.*|GIT_EXEC_PATH")
"""Variables that bring in commands which are not in the text."""
_STEERING = re.compile(
    rf"{_HIDING.pattern}|PATH|IFS|SHELL|EDITOR|VISUAL|PAGER|BROWSER"
    r"|LD_.*|DYLD_.*|NODE_OPTIONS|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|PYTHONSTARTUP"
    r"|GIT_(?!AUTHOR_|COMMITTER_|TERMINAL_PROMPT|OPTIONAL_LOCKS|ADVICE|TRACE).*"
)
"""Variables that make another program run than the one that is written: a rule for that one says nothing of it."""
_BLANK_IN_WORD = re.compile(r"^[\s]|^[^'\"$`\\(]+\s")
_WORDS = {
    *("word", "string", "raw_string", "ansi_c_string", "translated_string", "concatenation", "number"),
    *("simple_expansion", "expansion", "command_substitution", "process_substitution", "arithmetic_expansion"),
    *("brace_expression", "extglob_pattern", "regex", "variable_name", "test_operator", "array"),
}


@dataclass(frozen=True, slots=True)
class Redirect:
    """A file that is read from or written to."""

    target: Word
    writes: bool


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple command."""

    words: tuple[Word, ...]
    assigned: tuple[tuple[str, str], ...] = ()
    """Variables set for it, name and value (with gaps)."""

    @property
    def name(self) -> str:
        """The last part of the program's path; `""` where it is only known at run time."""
        word = self.words[0] if self.words else None
        return "" if word is None or word.dynamic else word.value.rpartition("/")[2]

    @property
    def shown(self) -> str:
        """As it was written, for a person."""
        text = " ".join(word.raw for word in self.words)
        return text if len(text) <= 80 else text[:79] + "…"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command text, taken apart."""

    commands: tuple[Simple, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    documents: tuple[str, ...] = ()
    """Bodies of here-documents and here-strings."""
    hidden: str | None = None
    """Why not all of it can be seen, if so: the end of a sentence that begins with `it`."""
    steered: str | None = None
    """Why the programs that run may not be those that are written, likewise."""


@dataclass(slots=True)
class _Found:
    commands: list[Simple] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    strays: list[tuple[int, list[Word], bool]] = field(default_factory=list)
    """Words after a redirection's target, with its place: they belong to the command before it, or, where that is
    uncertain, are one of their own."""
    variables: list[str] = field(default_factory=list)
    misread: bool = False


@lru_cache(maxsize=512)
def parse_command(text: str) -> Parsed:
    """Take a command apart. Never raises: what cannot be read is said in `hidden`."""
    if len(text) > TEXT_MAX:
        return Parsed(hidden=f"is longer than {TEXT_MAX:,} characters")
    if _UNSURE.search(text):
        return Parsed(hidden="has control characters, or a line break within a word")
    source = text.encode("utf-8", "surrogatepass")
    root = Parser(_LANGUAGE).parse(source).root_node
    found = _Found()
    for node in _all(root):
        _take(node, source, found)
    for place, words, uncertain in found.strays:
        _give_back(place, words, found, uncertain)
    confused = root.has_error or found.misread or any(_is_misread(command) for command in found.commands)
    hidden = "cannot be parsed" if confused else None
    hidden = hidden or next((_sets(name) for name in found.variables if hides(name)), None)
    steered = next((_sets(name) for name in found.variables if steers(name)), None)
    return Parsed(tuple(found.commands), tuple(found.redirects), tuple(found.documents), hidden, steered)


def _is_misread(command: Simple) -> bool:
    """Whether the parser took a command for what the shell would not: a keyword for a program, two lines for a word."""
    first = command.words[0].raw if command.words else ""
    return first in KEYWORDS or any(_BLANK_IN_WORD.search(word.raw) for word in command.words)


def hides(name: str) -> bool:
    """Whether a variable brings in commands which are not in the text."""
    return _HIDING.fullmatch(name) is not None


def steers(name: str) -> bool:
    """Whether a variable makes another program run than the one that is written."""
    return _STEERING.fullmatch(name) is not None


def _sets(name: str) -> str:
    return f"sets {name}, which decides what runs"


def _all(root: Node) -> Iterator[Node]:
    """Every node in the order of the text, without recursion: nesting may be deep."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _take(node: Node, source: bytes, found: _Found) -> None:
    match node.type:
        case "command":
            found.misread |= any(child.type == "comment" for child in node.children[:-1])
            _add(node, _command(node, source), found)
        case "declaration_command" | "unset_command":
            _add(node, _declaration(node, source), found)
        case "variable_assignment":
            found.variables.append(_assignment(node, source)[0])
        case "for_statement":
            name = node.child_by_field_name("variable")
            found.variables += [] if name is None else [_text(name, source)]
        case "file_redirect":
            _redirect(node, source, found)
        case "heredoc_redirect":
            words = [word_of(child, source) for child in node.named_children if child.type in _WORDS]
            found.strays += [(node.start_byte, words, True)] if words else []
        case "heredoc_body":
            found.documents.append(_text(node, source))
        case "herestring_redirect":
            found.documents += [word_of(child, source).value for child in node.named_children[-1:]]
        case _:
            pass


def _add(node: Node, command: Simple, found: _Found) -> None:
    found.commands.append(command)
    found.spans.append((node.start_byte, node.end_byte))


def _command(node: Node, source: bytes) -> Simple:
    words, assigned = [], []
    for child in node.named_children:
        if child.type == "command_name":
            words.append(word_of(child.children[0] if child.child_count == 1 else child, source))
        elif child.type == "variable_assignment":
            assigned.append(_assignment(child, source))
        elif child.type in _WORDS:
            words.append(word_of(child, source))
        elif "redirect" not in child.type and child.type != "comment":
            words.append(Word(_text(child, source), ANY, vanishes=True))
    return Simple(tuple(words), tuple(assigned))


def _declaration(node: Node, source: bytes) -> Simple:
    words = [literal_word(_text(node.children[0], source))]
    words += [Word(_text(child, source), _text(child, source)) for child in node.named_children]
    return Simple(tuple(words))


def _assignment(node: Node, source: bytes) -> tuple[str, str]:
    name = node.child_by_field_name("name")
    value = node.child_by_field_name("value")
    written = "" if name is None else _text(name, source)
    return written.partition("[")[0], "" if value is None else word_of(value, source).value


def _redirect(node: Node, source: bytes, found: _Found) -> None:
    operator = next((child.type for child in node.children if not child.is_named), "")
    targets = [child for child in node.named_children if child.type != "file_descriptor"]
    if not targets:
        return
    target = word_of(targets[0], source)
    if not (operator in (">&", "<&") and re.fullmatch(r"\d*-?", target.value)):
        found.redirects.append(Redirect(target, writes=">" in operator))
    if targets[1:]:
        found.strays.append((node.start_byte, [word_of(each, source) for each in targets[1:]], False))


def _give_back(place: int, words: list[Word], found: _Found, uncertain: bool) -> None:
    """`git > x push` is `git push`. With `<<E git push` the tree does not say whether a command went before."""
    before = [index for index, (_, end) in enumerate(found.spans) if end <= place]
    if before:
        index = max(before, key=lambda each: found.spans[each][1])
        command = found.commands[index]
        found.commands[index] = Simple((*command.words, *words), command.assigned)
    if uncertain or not before:
        found.commands.append(Simple(tuple(words)))
        found.spans.append((place, place))


def _text(node: Node, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")
