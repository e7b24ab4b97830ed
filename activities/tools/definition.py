"""How a tool is described to the model."""

from __future__ import annotations

from typing import Any


def define(name: str, description: str, required: tuple[str, ...], **properties: dict[str, Any]) -> dict[str, Any]:
    """A tool as the Messages API takes it, with a closed input schema; `required` are names of `properties`."""
    return {
        "name": name,
        "description": description,
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
    }


def text(description: str = "", **more: Any) -> dict[str, Any]:
    """Schema of a string."""
    return _described("string", description, more)


def whole(description: str, least: int = 0) -> dict[str, Any]:
    """Schema of a whole number."""
    return _described("integer", description, {"minimum": least})


def flag(description: str) -> dict[str, Any]:
    """Schema of a switch."""
    return _described("boolean", description, {})


def _described(kind: str, description: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, **({"description": description} if description else {}), **more}
