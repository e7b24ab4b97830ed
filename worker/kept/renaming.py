"""A script under another name: only the literal of `meta.name` is written anew, everything else stays as it is."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from tenuto.workflows.script.protocol import Dialect


def renamed(source: str, dialect: Dialect, name: str) -> str:
    """The same script with another `meta.name`.

    Raises:
        ValueError: the place where its name stands was not found.
    """
    data = source.encode()
    places = list(_javascript(data) if dialect == "javascript" else _python(source))
    if len(places) != 1:
        raise ValueError("its meta has no name that stands there as one literal")
    start, end = places[0]
    return (data[:start] + json.dumps(name).encode() + data[end:]).decode()


def _python(source: str) -> Iterator[tuple[int, int]]:
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.parse(source).body:
        call = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not isinstance(call, ast.Call) or not any(isinstance(t, ast.Name) and t.id == "meta" for t in targets):
            continue
        for keyword in call.keywords:
            value = keyword.value
            if keyword.arg == "name" and value.end_lineno is not None and value.end_col_offset is not None:
                yield (
                    starts[value.lineno - 1] + value.col_offset,
                    starts[value.end_lineno - 1] + value.end_col_offset,
                )


def _javascript(data: bytes) -> Iterator[tuple[int, int]]:
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_javascript.language())).parse(data).root_node
    statement = next((node for node in root.named_children if node.type == "export_statement"), None)
    declaration = statement.child_by_field_name("declaration") if statement is not None else None
    for declarator in declaration.named_children if declaration is not None else []:
        literal = declarator.child_by_field_name("value")
        for pair in literal.named_children if literal is not None else []:
            key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if key is not None and value is not None and (key.text or b"").strip(b"'\"") == b"name":
                yield value.start_byte, value.end_byte
