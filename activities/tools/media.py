"""Images and documents as blocks that a model can look at.

What the Messages API refuses makes every later request of the conversation fail, so a file is looked at before it is
sent (limits: docs.claude.com, "Vision" and "PDF support").
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .tool import ToolError

MEDIA_BYTES_MAX = 3_750_000
"""5 MB as base64."""
IMAGE_SIDE_MAX = 8000
"""Pixels."""
PDF_PAGES_MAX = 20
"""Ours: each page costs a few thousand tokens on every later turn."""
_PDF_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def media_block(data: bytes, path: str) -> dict[str, Any] | None:
    """A content block for an image or PDF; `None` for anything else.

    Raises:
        ToolError: it is one, and the API would refuse it.
    """
    if data.startswith(b"%PDF-"):
        return _pdf(data, path)
    kind = image_type(data)
    if kind is None:
        return None
    size = image_size(data, kind)
    if size is None or 0 in size:
        raise ToolError(f"{path} looks like an image ({kind}), but is damaged.")
    if max(size) > IMAGE_SIDE_MAX:
        raise ToolError(f"{path} has {size[0]}x{size[1]} pixels; at most {IMAGE_SIDE_MAX} a side. Scale it down first.")
    return {"type": "image", "source": _base64(data, kind)}


def image_type(data: bytes) -> str | None:
    """The media type of an image by its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def image_size(data: bytes, kind: str) -> tuple[int, int] | None:
    """Width and height in pixels; `None` where the image does not say."""
    if kind == "image/png":
        return _pair(data, 16, 4, "big") if data[12:16] == b"IHDR" and b"IEND" in data[-16:] else None
    if kind == "image/gif":
        return _pair(data, 6, 2, "little")
    if kind == "image/jpeg":
        return _jpeg_size(data)
    return _webp_size(data)


def _pair(data: bytes, start: int, width: int, order: Any) -> tuple[int, int] | None:
    if len(data) < start + 2 * width:
        return None
    first, second = data[start : start + width], data[start + width : start + 2 * width]
    return int.from_bytes(first, order), int.from_bytes(second, order)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            size = _pair(data, at + 5, 2, "big")
            return (size[1], size[0]) if size else None
        # Fill bytes, and markers that stand alone.
        at += 1 if marker == 0xFF else 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + _length(data, at + 2)
    return None


def _length(data: bytes, at: int) -> int:
    return max(2, int.from_bytes(data[at : at + 2], "big"))


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk, body = data[12:16], data[20:]
    if chunk == b"VP8X" and len(body) >= 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        size = _pair(body, 6, 2, "little")
        return (size[0] & 0x3FFF, size[1] & 0x3FFF) if size else None
    return None


def _pdf(data: bytes, path: str) -> dict[str, Any]:
    pages = len(_PDF_PAGE.findall(data))
    hint = "Extract its text with Bash (pdftotext), or the pages you need."
    if b"/Encrypt" in data:
        raise ToolError(f"{path} is an encrypted PDF and cannot be shown. {hint}")
    if pages > PDF_PAGES_MAX:
        raise ToolError(f"{path} is a PDF of {pages} pages; at most {PDF_PAGES_MAX} can be shown at once. {hint}")
    if pages == 0 or b"%%EOF" not in data[-2048:]:
        raise ToolError(f"{path} is a PDF that cannot be shown as it is: damaged, or its pages are compressed. {hint}")
    return {"type": "document", "source": _base64(data, "application/pdf")}


def _base64(data: bytes, kind: str) -> dict[str, str]:
    return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}
