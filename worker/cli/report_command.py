"""`tenuto report`: a run as a page that a person reads, Markdown or HTML, from the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config import UsageError
from .output import notice, print_json
from .record_commands import opened, with_kept_runs

if TYPE_CHECKING:
    from ..kept.summary import Summary
    from ..runs import Runs

HTML, MARKDOWN = ("html", "htm"), ("md", "markdown")


def report(run_id: str, *, output: Path | None, format: str | None, json: bool) -> int:
    """Write the report of a run; Markdown on stdout, where neither a file nor a format says otherwise.

    With `json` the document says what was written, or has the page as `text`.

    Raises:
        UsageError: there is no such run, or the file's name or the format is of no page.
    """
    kind = _kind(output, format)
    from ..kept.rendering import html, markdown

    told = with_kept_runs(lambda runs: _summary(runs, run_id))
    text = html(told) if kind == "html" else markdown(told)
    data = text.encode("utf-8", "replace")
    if output is not None:
        with opened(output) as put:
            put(data)
        notice(f"{output}: {len(data):,} bytes")
    elif not json:
        with opened(None) as put:
            put(data)
    if json:
        shape = {"run_id": run_id, "format": kind, "status": told.report.status, "verified": told.verified}
        print_json({**shape, **({"file": str(output), "bytes": len(data)} if output else {"text": text})})
    return 0


async def _summary(runs: Runs, run_id: str) -> Summary:
    from ..kept.run import KeptRun
    from ..kept.summary import summary

    run = await KeptRun.open(runs, run_id)
    result = await runs.result(run.report) if run.report is not None else None
    return await summary(run, result, await runs.kept_log(run_id))


def _kind(output: Path | None, format: str | None) -> str:
    name = format or (output.suffix.removeprefix(".").lower() if output is not None else "md")
    if name in HTML:
        return "html"
    if name in MARKDOWN:
        return "markdown"
    given = f"--format is {format!r}" if format else f"-o is {str(output)!r}"
    raise UsageError(f"{given}; expected a page: FILE.html or FILE.md, or --format html or md")
