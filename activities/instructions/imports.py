"""`@path` imports in a Markdown text, as Claude Code's memory files have them."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt

IMPORTS_MAX = 100
"""Of one file."""
_IMPORT = re.compile(r"(?:^|(?<=\s))@((?:\\ |[^\s\\])+)")
_TRAILING = ".,;:!?)]}'\"*_`"


def imports(text: str) -> list[list[str]]:
    """What a text imports, in its order: for each the spellings to try, as written and without punctuation after it.

    Code spans, code blocks and HTML have no imports. A name that is no file is no error: `@someone` is just text.
    """
    found: list[list[str]] = []
    for token in _parser().parse(text):
        if token.type != "inline":
            continue
        # Lines of a paragraph are tokens apart; code between two texts must not join them.
        plain = "".join(
            child.content if child.type == "text" else "\n" if child.type in ("softbreak", "hardbreak") else "`"
            for child in token.children or []
        )
        for match in _IMPORT.finditer(plain):
            written = match[1].replace("\\ ", " ")
            bare = written.rstrip(_TRAILING)
            found.append([written, bare] if bare and bare != written else [written])
            if len(found) == IMPORTS_MAX:
                return found
    return found


@cache
def _parser() -> MarkdownIt:
    # Paths have underscores, brackets and ampersands, which mean nothing here.
    return MarkdownIt("commonmark").disable(["emphasis", "link", "image", "entity", "autolink"])
