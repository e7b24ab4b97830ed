"""Loading a JavaScript script: everything that can be known without running it.

The tree comes from a real parser (tree-sitter), which finds `meta`, imports and exports wherever comments and strings
hide look-alikes; whether the text is JavaScript at all is for the engine that will run it, which compiles it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from .javascript_dialects import META_HINT, declarator_of, declared_name, first_foreign, without_meta
from .javascript_session import CONTEXTS
from .javascript_source import function_body
from .protocol import MAX_SOURCE_BYTES, InterpreterBusy, LoadedScript, Phase, ScriptLoadError, StepLimit

_LANGUAGE = Language(tree_sitter_javascript.language())
_CHECK_TRIES = 3
_LITERALS = {
    *("object", "pair", "property_identifier", "computed_property_name", "array", "string", "string_fragment"),
    *("escape_sequence", "number", "true", "false", "null", "undefined", "template_string", "unary_expression"),
    *("parenthesized_expression", "comment", "binary_expression"),
}
_TYPESCRIPT = re.compile(
    r"^\s*(?:export\s+)?(?:interface|type|enum|namespace|declare|abstract)\s+\w+|\bas\s+(?:const|\w+)\b|\bsatisfies\s+\w"
    r"|\w\??\s*:\s*(?:string|number|boolean|any|unknown|void|never|Record<|Promise<|Array<|[A-Z]\w*(?:\[\]|<|\s*=))"
    r"|\w<\w[\w\s,|\[\]]*>\("
)


def load(source: str, filename: str = "script.js") -> LoadedScript:
    """Check a script without running it.

    Raises:
        ScriptLoadError: with line and caret where there is a place to point at.
        InterpreterBusy: the engine could not be asked, three times over; says nothing about the script.
    """
    return _Loader(source, filename).load()


class _Loader:
    def __init__(self, source: str, filename: str) -> None:
        self._source = source
        self._filename = filename
        self._bytes = source.encode("utf-8", "replace")
        self._lines = source.split("\n")

    def load(self) -> LoadedScript:
        if len(self._bytes) > MAX_SOURCE_BYTES:
            self._refuse(f"the script has {len(self._bytes):,} bytes; at most {MAX_SOURCE_BYTES:,} (512 KiB) are read")
        root = Parser(_LANGUAGE).parse(self._bytes).root_node
        statement = self._meta_statement(root)
        self._refuse_foreign(root, statement)
        body = function_body(self._source)
        if body is None:
            reason, hint = without_meta(self._bytes)
            self._refuse(reason, next(_named(root), None), hint=hint)
        literal = _meta_value(statement) if statement is not None else None
        meta = self._checked(body, literal)
        return self._script(meta, literal)

    # ------------------------------------------------------------------------------------------ the tree

    def _meta_statement(self, root: Node) -> Node | None:
        first = next((node for node in _named(root) if node.type != "hash_bang_line"), None)
        if first is None or first.type != "export_statement":
            return None
        declaration = first.child_by_field_name("declaration")
        name = declared_name(declaration)
        return first if name == b"meta" else None

    def _refuse_foreign(self, root: Node, statement: Node | None) -> None:
        foreign = first_foreign(root, statement)
        if foreign is not None:
            self._refuse(foreign.reason, foreign.node, hint=foreign.hint)

    def _pure(self, node: Node) -> None:
        """Refuse what is not a literal: `meta` is read without running the script."""
        for part in _named(node, comments=True):
            kind = part.type
            concatenates = kind == "binary_expression" and part.child_by_field_name("operator").type == "+"  # type: ignore[union-attr]
            if kind not in _LITERALS or (kind == "binary_expression" and not concatenates):
                what = {"template_substitution": "`${…}`", "spread_element": "`...`"}.get(kind, f"`{_excerpt(part)}`")
                self._refuse(
                    f"meta must be a pure literal, and {what} is not",
                    part,
                    hint="write strings, numbers, booleans, null, arrays and objects out",
                )
            self._pure(part)

    # ---------------------------------------------------------------------------------------- the engine

    def _checked(self, body: str, literal: Node | None) -> Any:
        """Compile the script; the value of `meta`."""
        pure = literal is not None and literal.type == "object" and not literal.has_error
        text = f"({_text(literal)})" if pure and literal is not None else "null"
        if pure and literal is not None:
            self._pure(literal)
        reply = _compile(body, text)
        syntax = reply.header.get("syntax")
        if syntax is not None:
            self._refuse_syntax(syntax)
        if not pure:
            self._refuse("meta must be an object written out: `export const meta = {…}`", literal, hint=META_HINT)
        return json.loads(reply.report)

    def _refuse_syntax(self, syntax: dict[str, Any]) -> NoReturn:
        message, line = str(syntax["message"]), syntax.get("line")
        if line is None:
            self._refuse(f"syntax error: {message}", line=1 if len(self._lines) == 1 else None)
        if line > len(self._lines):
            self._refuse(
                "syntax error: the script ends before everything that it opened is closed", line=len(self._lines)
            )
        text = self._lines[line - 1]
        column = len(text.encode("utf-8", "replace")[: max(0, syntax["column"] - 1)].decode("utf-8", "ignore")) + 1
        hint = "this looks like TypeScript; scripts are plain JavaScript" if _TYPESCRIPT.search(text) else None
        self._refuse(f"syntax error: {message}", line=line, column=column, hint=hint)

    # ---------------------------------------------------------------------------------------- the fields

    def _script(self, meta: dict[str, Any], literal: Node | None) -> LoadedScript:
        for key in ("name", "description"):
            if not isinstance(meta.get(key), str) or not meta[key].strip():
                self._refuse(f"meta.{key} must be a non-empty string", literal, hint=META_HINT)
        when_to_use = meta.get("whenToUse")
        return LoadedScript(
            dialect="javascript",
            source=self._source,
            name=meta["name"],
            description=meta["description"],
            phases=tuple(self._phases(meta.get("phases"), literal)),
            meta=meta,
            when_to_use=when_to_use if isinstance(when_to_use, str) else None,
            limits=self._limits(meta.get("limits"), literal),
        )

    def _phases(self, phases: Any, literal: Node | None) -> Iterator[Phase]:
        if not isinstance(phases, list | None):
            self._refuse("meta.phases must be an array of {title, detail?, model?, usd?}", literal)
        for phase in phases or ():
            fields = {"title": phase} if isinstance(phase, str) else phase
            if not isinstance(fields, dict) or not isinstance(fields.get("title"), str):
                self._refuse("every entry of meta.phases must have a title, a string", literal)
            usd = fields.get("usd")
            if usd is not None and (isinstance(usd, bool) or not isinstance(usd, int | float) or usd <= 0):
                self._refuse("usd of a phase must be a number above 0", literal)
            yield Phase(fields["title"], _string(fields.get("detail")), _string(fields.get("model")), usd)

    def _limits(self, limits: Any, literal: Node | None) -> dict[str, float]:
        if limits is None:
            return {}
        if not isinstance(limits, dict):
            self._refuse("meta.limits must be an object: {agents, concurrency, usd}", literal)
        known = {key: limits[key] for key in ("agents", "concurrency", "usd") if key in limits}
        for key, value in known.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                self._refuse(f"meta.limits.{key} must be a number above 0", literal)
        return known

    def _refuse(
        self,
        reason: str,
        node: Node | None = None,
        *,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> NoReturn:
        if node is not None:
            line = node.start_point[0] + 1
            before = self._bytes[node.start_byte - node.start_point[1] : node.start_byte]
            column = len(before.decode("utf-8", "replace")) + 1
        raise ScriptLoadError(
            reason,
            line=line,
            column=column,
            source_line=self._lines[line - 1] if line is not None and line <= len(self._lines) else None,
            hint=hint,
            filename=self._filename,
        )


def _compile(body: str, meta: str) -> Any:
    for attempt in range(_CHECK_TRIES):
        try:
            return CONTEXTS.check(body.encode("utf-8", "replace"), meta)
        except InterpreterBusy:
            if attempt == _CHECK_TRIES - 1:
                raise
        except StepLimit as limit:
            raise ScriptLoadError(str(limit)) from None
    raise AssertionError("the last try returns or raises")


def _named(node: Node, *, comments: bool = False) -> Iterator[Node]:
    return (child for child in node.named_children if comments or child.type != "comment")


def _meta_value(statement: Node) -> Node | None:
    declarator = declarator_of(statement.child_by_field_name("declaration"))
    return declarator.child_by_field_name("value") if declarator else None


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _excerpt(node: Node) -> str:
    text = " ".join(_text(node).split())
    return text if len(text) <= 40 else text[:39] + "…"


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None
