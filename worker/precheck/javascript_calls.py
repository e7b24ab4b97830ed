"""Calls of the script API in a JavaScript script, by the tree of a real parser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from .calls import FUNCTIONS, UNKNOWN, Call, named

_LANGUAGE = Language(tree_sitter_javascript.language())
_DEPTH_MAX = 20
_NAMES = {re.sub(r"_(\w)", lambda found: found[1].upper(), name): name for name in FUNCTIONS}
"""JavaScript name -> Python name."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}|(\r\n|.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_BINDS = {
    "variable_declarator": "name",
    "function_declaration": "name",
    "generator_function_declaration": "name",
    "class_declaration": "name",
    "arrow_function": "parameter",
    "catch_clause": "parameter",
    "for_in_statement": "left",
    "assignment_expression": "left",
    "augmented_assignment_expression": "left",
}
"""Node -> its field in which names are bound."""


def javascript_calls(source: str) -> list[Call]:
    """The calls of a script that loads, in the order of its lines."""
    root = Parser(_LANGUAGE).parse(source.encode("utf-8", "replace")).root_node
    nodes = list(all_nodes(root))
    bound = Counter(name for node in nodes for name in bound_names(node))
    seen = _Seen(bound, _constants(nodes, bound))
    return [call for node in nodes if node.type == "call_expression" and (call := seen.call(node)) is not None]


class _Seen:
    def __init__(self, bound: Counter[str], constants: dict[str, Node]) -> None:
        self._bound, self._constants = bound, constants

    def call(self, node: Node) -> Call | None:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        name = "" if function is None else _text(function).strip("() \n\t")
        if name not in _NAMES or self._bound[name] or arguments is None or arguments.type != "arguments":
            return None
        given = [child for child in arguments.named_children if child.type != "comment"]
        if any(child.type == "spread_element" for child in given):
            return None
        values = [self._value(child) for child in given]
        known = named(_NAMES[name], values)
        options = next((value for value in reversed(values) if isinstance(value, dict)), {})
        if _NAMES[name] != "mcp" and (_NAMES[name] != "workflow" or len(values) < 2):
            known |= {_snake(key): value for key, value in options.items()}
        return Call(_NAMES[name], name, node.start_point[0] + 1, known)

    def _value(self, node: Node | None, depth: int = 0) -> Any:
        value: Any = UNKNOWN
        if node is None or depth > _DEPTH_MAX:
            return value
        match node.type:
            case "string" | "template_string" if not _has_substitution(node):
                value = _unescaped(_text(node)[1:-1])
            case "array":
                value = [each for child in _named(node) for each in self._items(child, depth + 1)]
            case "object":
                value = self._object(node, depth + 1)
            case "parenthesized_expression":
                value = self._value(next(_named(node), None), depth + 1)
            case "binary_expression":
                value = self._sum(node, depth + 1)
            case "identifier" | "shorthand_property_identifier":
                value = self._value(self._constants.get(_text(node)), depth + 1)
            case _:
                pass
        return value

    def _items(self, node: Node, depth: int) -> list[Any]:
        if node.type != "spread_element":
            return [self._value(node, depth)]
        value = self._value(next(_named(node), None), depth)
        return value if isinstance(value, list) else [UNKNOWN]

    def _object(self, node: Node, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for child in _named(node):
            if child.type == "pair":
                key = child.child_by_field_name("key")
                if key is not None:
                    name = _text(key) if key.type != "string" else _unescaped(_text(key)[1:-1])
                    values[name] = self._value(child.child_by_field_name("value"), depth)
            elif child.type == "shorthand_property_identifier":
                values[_text(child)] = self._value(child, depth)
            elif child.type == "spread_element":
                more = self._value(next(_named(child), None), depth)
                values |= more if isinstance(more, dict) else {}
        return values

    def _sum(self, node: Node, depth: int) -> Any:
        operator = node.child_by_field_name("operator")
        left = self._value(node.child_by_field_name("left"), depth)
        right = self._value(node.child_by_field_name("right"), depth)
        plus = operator is not None and operator.type == "+"
        return left + right if plus and isinstance(left, str) and isinstance(right, str) else UNKNOWN


def _constants(nodes: list[Node], bound: Counter[str]) -> dict[str, Node]:
    """Names that stand for one value all along."""
    found: dict[str, Node] = {}
    for node in nodes:
        if node.type == "variable_declarator":
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            if name is not None and value is not None and name.type == "identifier" and bound[_text(name)] == 1:
                found[_text(name)] = value
    return found


def bound_names(node: Node) -> Iterator[str]:
    """Names that a node binds or sets."""
    place = node if node.type == "formal_parameters" else None
    if node.type in _BINDS:
        place = node.child_by_field_name(_BINDS[node.type])
    if place is not None:
        for each in all_nodes(place):
            if each.type in ("identifier", "shorthand_property_identifier_pattern"):
                yield _text(each)


def all_nodes(root: Node) -> Iterator[Node]:
    """A node and everything in it, in the order of the text."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _named(node: Node) -> Iterator[Node]:
    return (child for child in node.named_children if child.type != "comment")


def _has_substitution(node: Node) -> bool:
    return any(child.type == "template_substitution" for child in node.named_children)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    for number in (found[1], found[2], found[3]):
        if number is not None:
            code = int(number, 16)
            return chr(code) if code < 0x110000 else "\ufffd"
    return _ESCAPES.get(found[4], found[4])


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
