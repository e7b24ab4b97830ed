"""What a command says: one JSON document or text on stdout, notices and errors on stderr, and its exit code."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenuto.workflows.contracts import RunReport, Usage

EXIT_CODES = {"completed": 0, "failed": 1, "degraded": 3, "stopped": 4}
"""Of `run`, by the status that the run ended with."""
EXIT_WAITING = 5
EXIT_INTERRUPTED = 130
INLINE_BYTES_MAX = 1024 * 1024
"""`show` inlines results up to this size."""
FAILURES_SHOWN = 10


class OutputFailed(Exception):
    """What a command has to say could not be written to stdout: the disk is full, or it is closed."""


def notice(text: str) -> None:
    """Tell the person at the terminal something, without touching stdout."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nobody reads it, or its disk is full: there is no other place to say so
        _discard(sys.stderr)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    write_bytes(json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n")


def report_json(report: RunReport, result: bytes | None) -> bytes:
    """The JSON shape of a run, with its result byte for byte as it is in the store."""
    values = report.model_dump(mode="json")
    values["result"] = None
    # The shape of a phase is a contract of three names; what it used stands beside it.
    values["phase_usage"] = {phase["title"]: phase.pop("usage") for phase in values["phases"]}
    if result is not None:
        values["result_ref"] = None
    text = json.dumps(values, indent=2, ensure_ascii=False).encode("utf-8", "replace")
    if result is not None:
        # Quotes inside of strings are escaped, so that this occurs once: a result of 50 MB is not parsed to be printed.
        text = text.replace(b'\n  "result": null', b'\n  "result": ' + result, 1)
    return text + b"\n"


def plain_result(result: bytes) -> bytes:
    """A result for a file: text verbatim, everything else the very JSON that is in the store."""
    return str(json.loads(result)).encode("utf-8", "replace") if result.startswith(b'"') else result


def print_line(text: str) -> None:
    """Print one line of text."""
    write_bytes(text.encode("utf-8", "replace") + b"\n")


def print_result(result: bytes) -> None:
    """Print a result for a person: text verbatim, JSON indented unless it is too large to be read."""
    text = plain_result(result)
    if text is result and len(result) <= INLINE_BYTES_MAX:
        text = json.dumps(json.loads(result), indent=2, ensure_ascii=False).encode("utf-8", "replace")
    write_bytes(text if text.endswith(b"\n") else text + b"\n")


def print_rich(*parts: RenderableType) -> None:
    """Print tables and styled text. Drawn first, then written: rich has its own idea of a reader that leaves early."""
    from rich.console import Console

    console = Console()
    with console.capture() as drawn:
        for part in parts:
            console.print(part)
    write_bytes(drawn.get().encode("utf-8", "replace"))


def write_bytes(data: bytes) -> None:
    """Write to stdout, all of it, or as much as its reader wants: one that closes it early is no error.

    Raises:
        OutputFailed: it takes nothing any more.
    """
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        raise OutputFailed(f"cannot write the output: {error.strerror}") from None


def open_closed_streams() -> None:
    """Give stdin, stdout and stderr to a command whose caller closed them (`>&-`).

    Python has `None` for such a stream, and the next file that is opened would take its number. What is written to a
    closed stdout fails as it does for other programs; a closed stderr takes everything.
    """
    for number, (name, flags) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is not None:
            continue
        null = os.open(os.devnull, flags)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        os.set_inheritable(number, True)
        setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123


def _discard(stream: TextIO) -> None:
    """Let what nobody reads go nowhere; without this the next flush would raise again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def ending_lines(report: RunReport) -> list[str]:
    """How a run ended, for a person: status, figures, cause, and what failed."""
    from tenuto.workflows.details import gate_words

    lines = [f"{report.run_id} {report.status}: {figures(report)}"]
    if report.error is not None:
        place = f" (line {report.error.line})" if report.error.line is not None else ""
        lines.append(f"  {report.error.kind}{place}: {report.error.message}")
    lines += [f"  gate {gate.name}: {gate_words(gate)}" for gate in report.gates if not gate.passed]
    if unverified := report.verification.reviews.unverified:
        lines.append(f"  reviews without enough live votes: {unverified}")
    lines += [f"  ! {notice}" for notice in report.notices]
    for failure in report.failures[:FAILURES_SHOWN]:
        lines.append(f"  {failure.agent} {failure.label!r}: {failure.kind}: {failure.message}")
        if failure.raw is not None:
            lines.append(f"    its last answer is kept whole: tenuto logs {report.run_id} {failure.agent}")
    if len(report.failures) > FAILURES_SHOWN:
        more = len(report.failures) - FAILURES_SHOWN
        lines.append(f"  … and {more} more failures: tenuto show {report.run_id} --json, `failures`")
    if report.partial:
        lines.append(f"  {len(report.partial)} finished agents are kept: tenuto show {report.run_id} --json, `partial`")
    return lines


def cache_share(usage: Usage) -> float:
    """How much of the input was read from the prompt cache, 0 to 1."""
    tokens = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    return usage.cache_read_input_tokens / tokens if tokens else 0.0


def figures(report: RunReport) -> str:
    """Agents, tokens and dollars of a run on one line."""
    census, usage = report.census, report.usage
    tokens = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    parts = [f"{census.done + census.cached}/{census.agents} agents"]
    parts += [
        f"{count} {word}"
        for count, word in (
            (census.running, "running"),
            (census.queued, "queued"),
            (census.failed, "failed"),
            (census.skipped, "skipped"),
        )
        if count
    ]
    read = f" ({cache_share(usage):.0%} from the cache)" if usage.cache_read_input_tokens else ""
    parts += [f"{tokens:,} tokens in{read}, {usage.output_tokens:,} out", f"${usage.usd:.4f}"]
    return ", ".join(parts) + (" (simulated)" if report.simulated else "")
