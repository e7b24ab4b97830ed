"""Whether a script failed because nobody gave it arguments."""

from __future__ import annotations

import re

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from .script.protocol import Failed

_TAKEN = re.compile(r"\b(?:const|let|var)\s+(\w+)\s*=[^;\n]*\bargs\b")


def reaches_into_arguments(source: str, failed: Failed) -> bool:
    """Whether the line that failed reads `args`, or a name that the script gave them."""
    lines = source.split("\n")
    if failed.line is None or not 0 < failed.line <= len(lines) or not failed.message.startswith("TypeError: "):
        return False
    names = {"args", *_TAKEN.findall(source)}
    return not names.isdisjoint(re.findall(r"\w+", lines[failed.line - 1]))
