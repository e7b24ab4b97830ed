"""The report of a run as a page: HTML or Markdown, from templates that escape whatever they are not told to trust.

Results, labels and logs come from models and from files that they read: no text of theirs is ever markup.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .summary import Summary

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Nothing shows them, some break a page, and some turn the text after them around."""
_SPECIAL = re.compile(r"[\\`*_\[\]|~$]|:(?=//)|^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
"""What is markup within a line of Markdown, or at its beginning. `://` would become a link."""


class Verbatim(str):
    """Markdown of ours, or text that was made safe."""

    __slots__ = ()


def html(told: Summary) -> str:
    """One page that needs nothing besides itself: no script, no file, no network."""
    return _environment("html").get_template("report.html.j2").render(told=told, report=told.report)


def markdown(told: Summary) -> str:
    """The same as text: GitHub's Markdown."""
    text = _environment("markdown").get_template("report.md.j2").render(told=told, report=told.report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment(kind: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("tenuto.worker.kept", "templates"),
        autoescape=kind == "html",
        finalize=_visible if kind == "html" else _inline,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"usd": _usd, "count": _count, "seconds": _seconds, "moment": _moment, "fenced": fenced}
    environment.filters |= {"counted": _counted, "outcome": _outcome}
    environment.filters |= {"verbatim": Verbatim, "plain": _plain}
    return environment


def _visible(value: Any) -> Any:
    """Text without characters that are not seen. Of Jinja's own markup nothing changes."""
    return _CONTROLS.sub("\ufffd", value) if type(value) is str else value


def _inline(value: Any) -> str:
    """Text on one line, without any meaning as Markdown or HTML."""
    if isinstance(value, Verbatim):
        return value
    text = " ".join(_CONTROLS.sub("\ufffd", str(value)).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", text)


def fenced(value: Any) -> Verbatim:
    """A block of text as it is, in a fence that it cannot close."""
    text = re.sub(_CONTROLS, "\ufffd", str(value)).replace("\r", "\n")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Verbatim(f"{fence}text\n{text}\n{fence}")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _usd(value: float) -> Verbatim:
    return Verbatim(f"${value:,.2f}" if value >= 100 else f"${value:.4f}")


def _count(value: int) -> Verbatim:
    return Verbatim(f"{value:,}")


def _outcome(state: str) -> str:
    """How a question stands, so that nobody takes a default for somebody's answer."""
    words = {
        "open": "not answered yet",
        "answered": "answered",
        "default": "nobody answered in time, so its default was taken",
        "expired": "nobody answered in time, and it had no default",
    }
    return words.get(state, state)


def _counted(value: int, what: str) -> Verbatim:
    """`1 run`, `2 runs`."""
    return Verbatim(f"{value:,} {what}{'' if value == 1 else 's'}")


def _seconds(ms: float | None) -> Verbatim:
    return Verbatim(f"{ms / 1000:,.1f} s" if ms else "")


def _moment(text: str | None) -> str:
    if not text:
        return "not yet"
    try:
        return Verbatim(datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC"))
    except ValueError:
        return text
