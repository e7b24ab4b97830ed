"""The text of a JavaScript script: where `export const meta` starts, and what of it is compiled."""

from __future__ import annotations

import re

# Only blanks and comments may come before; possessive, so that no text makes it slow. A first line `#!…` is one too.
META_START = re.compile(
    r"(?:\A#!.*)?(?:\s|//[^\n\r\u2028\u2029]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+(export)(?=\s+const\s+meta\b)"
)


def function_body(source: str) -> str | None:
    """The script as the inside of a function: `export` gives way to blanks and every position stays.

    `meta` is then a constant of the body, which real scripts read. `None` where the script does not start with it.
    """
    start = META_START.match(source)
    if start is None:
        return None
    head = source[: start.start(1)]
    if head.startswith("#!"):
        head = "//" + head[2:]
    return head + " " * len("export") + source[start.end(1) :]
