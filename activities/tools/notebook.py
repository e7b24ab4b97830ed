"""Jupyter notebooks as text: their cells with what they printed."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

OUTPUT_CHARS = 4000
"""Of one cell's output."""


def notebook_text(data: bytes, chars_max: int) -> str | None:
    """The cells of a notebook; `None` for what is none."""
    try:
        notebook = from_json(data)
        cells = notebook["cells"]
        text = "\n\n".join(_cell(index, cell) for index, cell in enumerate(cells, 1))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    head = f"(A notebook of {len(cells)} cells, shown as text. In the file it is JSON: Edit works on that.)\n\n"
    if len(text) > chars_max:
        text = text[:chars_max] + "\n(cut here; use Grep or Bash for the rest)"
    return head + text


def _cell(index: int, cell: dict[str, Any]) -> str:
    lines = [f"[{index}] {cell['cell_type']}", _joined(cell.get("source", ""))]
    outputs = "\n".join(filter(None, map(_output, cell.get("outputs", []))))
    if outputs:
        if len(outputs) > OUTPUT_CHARS:
            outputs = outputs[:OUTPUT_CHARS] + "… (cut)"
        lines += ["output:", outputs]
    return "\n".join(lines)


def _output(output: dict[str, Any]) -> str:
    if output.get("output_type") == "error":
        return f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
    if "text" in output:
        return _joined(output["text"])
    shown = output.get("data", {})
    return _joined(shown["text/plain"]) if "text/plain" in shown else f"({', '.join(shown) or 'nothing'})"


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
