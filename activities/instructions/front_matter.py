"""YAML front matter of a Markdown file, as people write it."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

_BLOCK = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""A date that is none is a `ValueError`; brackets without end are too deep."""
_ANY_KEY = re.compile(r"[A-Za-z][\w-]*:(?:[ \t]|$)")
_KEY = re.compile(r"([A-Za-z][\w-]*):[ \t]+(\S.*)")


class FrontMatterError(Exception):
    """There is none, or it is no YAML mapping. The message is one line."""


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The mapping at the top of a text, and what follows it.

    Raises:
        FrontMatterError: see there.
    """
    match = _BLOCK.match(text)
    if match is None:
        raise FrontMatterError("it does not begin with front matter between two lines `---`")
    try:
        values = yaml.safe_load(match[1])
    except _NO_YAML as error:
        # Descriptions with a colon in them are no YAML, and many definitions have them.
        try:
            values = yaml.safe_load(_quoted(match[1]))
        except _NO_YAML:
            raise FrontMatterError(f"its front matter is no YAML: {_in_one_line(error)}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise FrontMatterError("its front matter is no YAML mapping")
    return {str(key): value for key, value in values.items()}, text[match.end() :].strip()


def _quoted(block: str) -> str:
    """Each value on the line of its key taken as text, together with the lines that go on with it."""
    lines: list[str] = []
    text: list[str] = []
    key = ""
    for line in [*block.split("\n"), "end: 0"]:
        match = _KEY.fullmatch(line.rstrip())
        begins = _ANY_KEY.match(line) is not None
        if text and not begins:
            text.append(line.strip())
            continue
        if text:
            lines.append(f"{key}: {json.dumps(chr(10).join(text).strip(), ensure_ascii=False)}")
            text = []
        if match is not None and match[2][0] not in "\"'[{|>&*!":
            key, text = match[1], [match[2]]
        else:
            lines.append(line)
    return "\n".join(lines[:-1] if not text else lines)


def _in_one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return " ".join(f"{problem}{f' (line {mark.line + 2})' if mark else ''}".split())
