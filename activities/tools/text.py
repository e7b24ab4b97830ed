"""What a file's bytes are: text in some encoding, or not text."""

from __future__ import annotations

import codecs

SNIFFED_BYTES = 8192
"""Looked at to tell text from other things: git's rule."""
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def wide_encoding(head: bytes) -> str | None:
    """The encoding of text in UTF-16, by its byte order mark; `None` for everything else."""
    return None if head.startswith(codecs.BOM_UTF32_LE) else _UTF16.get(head[:2])


def is_binary(head: bytes) -> bool:
    """Whether a file that begins like this is no text."""
    return b"\0" in head[:SNIFFED_BYTES] and wide_encoding(head) is None


def decode(data: bytes) -> str:
    """Text for reading; bytes that are no text show as the replacement character."""
    wide = wide_encoding(data)
    if wide is not None:
        return data[2:].decode(wide, errors="replace")
    return data.removeprefix(codecs.BOM_UTF8).decode(errors="replace")
