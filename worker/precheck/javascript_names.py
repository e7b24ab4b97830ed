"""Names that a JavaScript script uses and nothing there defines: a function of another tool, of Node, of a browser.

Nothing is refused for them: a script may never get there, or catch the error. It is told before the run is paid for.
"""

from __future__ import annotations

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from .javascript_calls import all_nodes, bound_names

_LANGUAGE = Language(tree_sitter_javascript.language())
_FUNCTIONS = ("function_expression", "generator_function", "class")

_GLOBALS = """
    AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DOMException
    DataView Date DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Infinity Int16Array
    Int32Array Int8Array InternalError Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError
    ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError TypeError URIError URL URLSearchParams
    Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet atob btoa clearTimeout console decodeURI
    decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt
    queueMicrotask setTimeout undefined unescape

    agent args ask budget converge critic failures gate glob grep judge lock log mcp now parallel phase pipeline
    pullRequest read review sh sleep untilDry untilGreen vote waitFor workflow write
"""
GLOBALS = frozenset(_GLOBALS.split())
"""What every script finds; a test holds it against the interpreter."""


def unknown_names(source: str) -> list[tuple[str, int]]:
    """Each such name of a script that loads, with the first line that has it."""
    nodes = list(all_nodes(Parser(_LANGUAGE).parse(source.encode("utf-8", "replace")).root_node))
    known = {*GLOBALS, "arguments"}
    for node in nodes:
        known.update(bound_names(node))
        known.update(_own_name(node))
    found: dict[str, int] = {}
    for node in nodes:
        if node.type in ("identifier", "shorthand_property_identifier"):
            name = (node.text or b"").decode("utf-8", "replace")
            if name not in known:
                found.setdefault(name, node.start_point[0] + 1)
    return list(found.items())


def _own_name(node: Node) -> list[str]:
    """A name that a function or class expression has within itself, or that the script asks for with `typeof`."""
    named = None
    if node.type in _FUNCTIONS:
        named = node.child_by_field_name("name")
    elif node.type == "unary_expression" and (node.text or b"").startswith(b"typeof"):
        named = node.child_by_field_name("argument")
    return [] if named is None or named.type != "identifier" else [(named.text or b"").decode("utf-8", "replace")]
