"""Results of MCP tools: as a `tool_result` for a model, bounded; and as a value for a script, whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import mcp_types as types
from pydantic_core import to_json

from tenuto.activities.store import Store

TEXT_BYTES_MAX = 100 * 1024
HEAD_BYTES = TEXT_BYTES_MAX - 12 * 1024
"""The rest is for the end of the text, where lists and logs have what matters."""
BLOCKS_MAX = 100
IMAGES_MAX = 20
IMAGE_CHARS_MAX = 5 * 1024 * 1024
"""Of base64, as the API takes an image."""
IMAGES_CHARS_MAX = 16 * 1024 * 1024
"""All together: a request has 32 MB, and results stay in it."""
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")


async def for_model(
    result: types.CallToolResult, redact: Callable[[str], str], store: Store, folder: str, call_id: str
) -> tuple[list[dict[str, Any]], str | None]:
    """Content blocks for `tool_result.content`, and the store key of the whole where they are a part of it."""
    blocks, texts_only, whole = _Blocks(), True, []
    for item in result.content:
        if isinstance(item, types.ImageContent):
            texts_only = False
            blocks.image(item)
        else:
            text = redact(_text_of(item))
            whole.append(text)
            blocks.text(text)
    if result.structured_content is not None and not whole:
        text = redact(to_json(result.structured_content).decode())
        whole.append(text)
        blocks.text(text)
    if not blocks.cut:
        return blocks.made or [{"type": "text", "text": "(the tool returned nothing)"}], None
    kind = "txt" if texts_only else "json"
    key = f"{folder}/logs/{_safe(call_id)}.{kind}"
    data = "\n".join(whole) if texts_only else redact(result.model_dump_json(by_alias=True, exclude_none=True))
    await store.put(key, data.encode())
    return blocks.made, key


def for_script(result: types.CallToolResult, redact: Callable[[str], str]) -> Any:
    """The value of a script's `mcp()`: the structured content, else the text, else the content blocks."""
    if result.structured_content is not None:
        return _redacted(result.structured_content, redact)
    if all(isinstance(item, types.TextContent) for item in result.content):
        return redact("\n".join(item.text for item in result.content if isinstance(item, types.TextContent)))
    blocks = [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in result.content]
    return _redacted(blocks, redact)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(each, redact) for each in value]
    if isinstance(value, dict):
        return {redact(name): _redacted(each, redact) for name, each in value.items()}
    return value


def error_text(result: types.CallToolResult, redact: Callable[[str], str]) -> str:
    """What a result with `isError` says."""
    text = "\n".join(_text_of(item) for item in result.content).strip()
    if not text and result.structured_content is not None:
        text = to_json(result.structured_content).decode()
    return redact(_cut(text, 8 * 1024)[0]) or "the tool failed and does not say why"


class _Blocks:
    """Content blocks within the limits; texts share one."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.cut = False
        self._left = TEXT_BYTES_MAX
        self._images = self._image_chars = 0

    def text(self, text: str) -> None:
        if not text.strip():
            return  # the API refuses a text block without a word in it
        if self._left <= 0 or len(self.made) >= BLOCKS_MAX:
            self.cut = True
            return
        kept, cut = _cut(text, self._left)
        self.cut |= cut
        self._left -= len(text.encode(errors="replace")) if not cut else self._left
        self.made.append({"type": "text", "text": kept})

    def image(self, item: types.ImageContent) -> None:
        self._images += 1
        self._image_chars += len(item.data)
        kind = item.mime_type.lower()
        if kind not in IMAGE_TYPES:
            self.text(f"[an image of type {kind[:60]}, which cannot be shown]")
        elif len(item.data) > IMAGE_CHARS_MAX or self._images > IMAGES_MAX or self._image_chars > IMAGES_CHARS_MAX:
            self.cut = True
            self.text(f"[an image of {len(item.data) * 3 // 4} bytes, too much to be shown]")
        else:
            source = {"type": "base64", "media_type": kind, "data": item.data}
            self.made.append({"type": "image", "source": source})


def _cut(text: str, bytes_max: int) -> tuple[str, bool]:
    """Beginning and end of a text that is too long, and whether it was."""
    data = text.encode(errors="replace")
    if len(data) <= bytes_max:
        return text, False
    head = min(HEAD_BYTES, bytes_max * 7 // 8)
    tail = max(0, bytes_max - head - 400)
    left_out = len(data) - head - tail
    note = (
        f"\n\n[… {left_out} of {len(data)} bytes are left out here. The result is too long to be shown whole: "
        "ask for less, by a narrower query, a filter or a page …]\n\n"
    )
    end = data[len(data) - tail :].decode(errors="ignore") if tail else ""
    return data[:head].decode(errors="ignore") + note + end, True


def _text_of(item: types.ContentBlock) -> str:
    """One content block in words."""
    if isinstance(item, types.TextContent):
        return item.text
    if isinstance(item, types.ResourceLink):
        words = [f"[resource: {item.uri}", item.name, item.mime_type, item.description]
        return ", ".join(word for word in words if word) + "]"
    if isinstance(item, types.EmbeddedResource):
        inner = item.resource
        if isinstance(inner, types.TextResourceContents):
            return f"[resource: {inner.uri}]\n{inner.text}"
        return f"[resource: {inner.uri}, {inner.mime_type or 'binary'}, {len(inner.blob) * 3 // 4} bytes]"
    if isinstance(item, types.AudioContent):
        return f"[audio of type {item.mime_type}, {len(item.data) * 3 // 4} bytes, which cannot be heard]"
    return f"[an image of type {item.mime_type}]"


def _safe(call_id: str) -> str:
    """A call's id as the name of an object."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:32]
