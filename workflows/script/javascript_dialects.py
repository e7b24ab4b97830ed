"""Scripts of other tools: what tells them from ours, and how a person makes one of ours of them.

Modules (`import`, `export default`, `require`) and calls whose shape would do something else here, or nothing: an agent
described by one object, a phase that takes a function. Names that the script binds itself, or asks for with `typeof`,
are its own affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_javascript
from tree_sitter import Language, Node, Query, QueryCursor

_LANGUAGE = Language(tree_sitter_javascript.language())
_API = "agent parallel pipeline phase log workflow"
_SHAPES = Query(
    _LANGUAGE,
    """
    (import_statement) @import
    (export_statement) @export
    (call_expression function: (import)) @dynamic_import
    (meta_property) @meta_property
    ((call_expression function: (identifier) @name) @require (#eq? @name "require"))
    ((member_expression object: (identifier) @left property: (property_identifier) @right) @module_exports
        (#eq? @left "module") (#eq? @right "exports"))
    (unary_expression operator: "typeof" argument: (identifier) @asked)
    ((call_expression function: (identifier) @name arguments: (arguments . (object) @options .)) (#eq? @name "agent"))
    ((call_expression function: (identifier) @name
        arguments: (arguments . (_) . [(arrow_function) (function_expression)] @callback)) (#eq? @name "phase"))
    """,
)
_BINDINGS = Query(
    _LANGUAGE,
    """
    (variable_declarator name: (identifier) @name)
    (function_declaration name: (identifier) @name)
    (formal_parameters (identifier) @name)
    (arrow_function parameter: (identifier) @name)
    (shorthand_property_identifier_pattern) @name
    """,
)
_DEFINES = re.compile(rb"\b((?:define|create|register|make)\w*(?:Workflow|Pipeline|Flow|Agent|Graph))\s*\(")
_FUNCTIONS = {"function_expression", "arrow_function", "function_declaration", "generator_function_declaration"}
META_HINT = "start the script with: export const meta = { name: '…', description: '…' }"
_NO_MODULES = (
    "a script is one file; what it needs of the outside it gets from an agent, or from read(), glob() and sh()"
)

_NO_IMPORT = "`import` is not available: a script has no modules"
_NO_IMPORT_CALL = "`import()` is not available: a script has no modules"
_NO_IMPORT_META = "`import.meta` is not available: a script has no modules, and no place of its own"
_NO_EXPORTS = "`module.exports` is not available: this is not a CommonJS module"
_NO_REQUIRE = "`require()` is not available: this is not a CommonJS module"
_BODY_HINT = (
    "write the function's body at the top level, its result after `return`; "
    "agent, parallel, pipeline, phase, log, args and budget are there without being passed"
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """One place that is of another dialect."""

    node: Node
    reason: str
    hint: str


def first_foreign(root: Node, meta: Node | None) -> Foreign | None:
    """The first place in the text that is not of our dialect.

    Args:
        root: the tree of the script.
        meta: its statement `export const meta = {…}`, where it starts with one.
    """
    found = QueryCursor(_SHAPES).captures(root)
    own = {name.text for name in QueryCursor(_BINDINGS).captures(root).get("name", [])}
    own |= {name.text for name in found.get("asked", [])}  # what a script asks for first, it can do without
    places = [Foreign(node, _NO_IMPORT_CALL, _NO_MODULES) for node in found.get("dynamic_import", [])]
    places += [Foreign(node, _NO_IMPORT, _import_hint(node)) for node in found.get("import", [])]
    for node in found.get("meta_property", []):
        if (node.text or b"").startswith(b"import"):  # the other is new.target
            places.append(Foreign(node, _NO_IMPORT_META, _NO_MODULES))
    if b"module" not in own:
        places += [Foreign(node, _NO_EXPORTS, _BODY_HINT) for node in found.get("module_exports", [])]
    if b"require" not in own:
        places += [Foreign(node, _NO_REQUIRE, _NO_MODULES) for node in found.get("require", [])]
    exports = [node for node in found.get("export", []) if node != meta]
    places += [_export(node, root, meta) for node in exports]
    if meta is not None:  # what is no script of ours at all is told so first
        places += _calls(found, own)
    first = min(places, key=lambda place: place.node.start_byte, default=None)
    has_meta = any(
        declared_name(node.child_by_field_name("declaration")) == b"meta" for node in found.get("export", [])
    )
    if first is None or has_meta or first.hint == META_HINT:
        return first
    return Foreign(first.node, first.reason, f"{first.hint}. {META_HINT[0].upper()}{META_HINT[1:]}")


def _calls(found: dict[str, list[Node]], own: set[bytes | None]) -> Iterator[Foreign]:
    """Calls of our functions in the manner of another tool."""
    for node in found.get("options", []):
        if b"agent" not in own and "prompt" in _keys(node):
            yield Foreign(
                node,
                "agent() takes the prompt first, and this is one object with everything in it",
                "write agent(prompt, { label, phase, schema, model, … }); its value is the answer itself",
            )
    for node in found.get("callback", []):
        if b"phase" not in own:
            yield Foreign(
                node,
                "phase() takes a title only: this function would never be called",
                "call phase('…') by itself, and write what belongs to it below",
            )


def without_meta(text: bytes) -> tuple[str, str]:
    """Reason and hint for a script that does not start with `meta`."""
    reason = "the first statement must be `export const meta = {…}`"
    defines = _DEFINES.search(text)
    if defines is None:
        return reason, META_HINT
    name = defines[1].decode()
    return f"{reason}; `{name}()` is of another tool", f"{META_HINT}, then the steps themselves as plain code"


def declared_name(declaration: Node | None) -> bytes | None:
    """The name in `const NAME = …`."""
    declarator = declarator_of(declaration)
    name = declarator.child_by_field_name("name") if declarator else None
    return name.text if name else None


def declarator_of(declaration: Node | None) -> Node | None:
    """`NAME = …` in `const NAME = …`."""
    if declaration is None or declaration.type != "lexical_declaration" or declaration.children[0].type != "const":
        return None
    return next((child for child in declaration.named_children if child.type == "variable_declarator"), None)


def _export(node: Node, root: Node, meta: Node | None) -> Foreign:
    declaration = node.child_by_field_name("declaration")
    if any(child.type == "default" for child in node.children):
        value = node.child_by_field_name("value") or declaration
        hint = "write `return` in place of `export default`"
        if value is not None and (value.type in _FUNCTIONS or value.type == "class_declaration"):
            hint = _BODY_HINT
        elif value is not None and _DEFINES.match(value.text or b""):
            hint = "what is in it becomes plain code below `meta`: its steps one after the other, calling agent()"
        return Foreign(node, "`export default` is not available: the body itself is the workflow", hint)
    name = declared_name(declaration)
    if meta is None and name == b"meta":
        return Foreign(node, "`export const meta = {…}` must be the first statement", META_HINT)
    first = next((child for child in root.named_children if child.type not in ("comment", "hash_bang_line")), None)
    if meta is None and node == first and name is not None:
        return Foreign(node, f"only `meta` may be exported, and this is `{name.decode(errors='replace')}`", META_HINT)
    return Foreign(node, "only `meta` may be exported", "leave out `export`")


def _import_hint(node: Node) -> str:
    names = {(part.text or b"").decode("utf-8", "replace") for part in _all(node) if part.type == "identifier"}
    if known := sorted(names & set(_API.split())):
        return f"leave it out: {', '.join(known)} {'is' if len(known) == 1 else 'are'} there without an import"
    source = node.child_by_field_name("source")
    if source is not None and (source.text or b"")[1:2] == b".":
        return "a script is one file: write what the other file gives into this one, or hand it over with --args"
    return _NO_MODULES


def _keys(options: Node) -> set[str]:
    keys = (child.child_by_field_name("key") or child for child in options.named_children)
    return {(key.text or b"").decode("utf-8", "replace").strip("'\"") for key in keys}


def _all(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.named_children)
