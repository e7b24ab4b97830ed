"""The program of one interpreter process: QuickJS contexts, stepped over a pipe.

Run by path in an isolated interpreter (`python -I -S`), so it imports nothing of this package. A frame is an 8-byte
length and that many bytes: one JSON header line, then body lines. Requests:

    {"op": "check", "meta": text}       body: the script. Answers its syntax error, or the value of `meta`
    {"op": "run", "context": id, …}     body: resumptions, the opening first. Answers what the last one did

`drop` in any header lists contexts that are no longer wanted. The process ends at end of file: with its parent.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

OWN_LINES = 1000
"""The prelude's lines end before this one; the script is compiled below it (see prelude.js)."""
GRACE_SECONDS = 0.25
"""CPU time past the limit after which the kernel ends the process: native functions are not interrupted by QuickJS."""
JOBS_PER_LOOK = 64
LOCALE = re.compile(r"Intl|[lL]ocale|globalThis")
"""What a script has in it that may ask for the language of people."""
_ADDRESS_SPACE = 3 * 1024**3
_STACK_BYTES = 32 * 1024**2
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Limit(Exception):
    """A step went over its time or its memory."""


class Interpreter:
    """The binding, and what every context is made with."""

    def __init__(self, memory_bytes: int) -> None:
        self.engine: Any = importlib.import_module("_quickjs")  # the C module alone: its package starts a thread
        self._memory_bytes = memory_bytes
        here = Path(__file__)
        # The prelude last: its value is the door to the script.
        parts = ("url.js", "steps.js", "gates.js", "people.js", "reviews.js", "prelude.js")
        self._prelude = "".join(here.with_name(name).read_text(encoding="utf-8") for name in parts)
        # A text of its own, for the few scripts that need it: it takes longer to read than all the rest.
        locale = ("locale_numbers.js", "locale_text.js", "locale_dates.js")
        self._locale = "".join(here.with_name(name).read_text(encoding="utf-8") for name in locale)
        self._stack_bytes = stack_bytes() // 2  # the other half is for native functions on top of it

    def context(self) -> Any:
        """A fresh context under the memory limit."""
        context = self.engine.Context()
        context.set_memory_limit(self._memory_bytes)
        context.set_max_stack_size(self._stack_bytes)
        return context

    def script(self) -> Script:
        """A fresh context with the prelude in it."""
        context = self.context()
        return Script(self.engine, context, context.eval(self._prelude), self._locale)


class Script:
    """One script in execution."""

    def __init__(self, engine: Any, context: Any, host: Any, locale: str) -> None:
        self._engine = engine
        self._context = context
        self._host = host
        self._locale = locale
        self._opened = False

    def saw_the_clock(self) -> bool:
        """Whether the script asked for the time in the last resumption."""
        seen: bool = self._host("clock?")
        return seen

    def apply(self, line: bytes, limit_s: float) -> str:
        """Run one resumption to the next wait; the host's report as JSON text.

        Raises:
            Limit: it went over; the context is of no use any more.
        """
        deadline = time.process_time() + limit_s
        self._context.set_time_limit(limit_s)
        try:
            with ended_by_the_kernel(limit_s):
                self._enter(line.decode("utf-8"))
                self._drain(deadline)
                report: str = self._host()
        except MemoryError:
            raise Limit("memory") from None
        except self._engine.JSException as error:
            report = self._verdict(str(error))
        if report.endswith('"memory":true}}'):
            raise Limit("memory")
        if time.process_time() > deadline:
            raise Limit("time")
        return report

    def _enter(self, text: str) -> None:
        if self._opened:
            self._host(text)
            return
        self._opened = True
        opening = json.loads(text)
        source = opening["source"]
        if opening.get("locale") and LOCALE.search(source):
            self._context.eval(self._locale)
        self._host(text, self._context.eval(wrap(source)))

    def _drain(self, deadline: float) -> None:
        """Run promise jobs until there are none; a job that never ends the chain is cut by `deadline`."""
        jobs = 0
        while self._context.execute_pending_job():
            jobs += 1
            if jobs % JOBS_PER_LOOK:
                continue
            left = deadline - time.process_time()
            if left <= 0:
                raise Limit("time")
            self._context.set_time_limit(left)  # counts anew at every entry
            if self._host("ended?"):
                return

    def _verdict(self, message: str) -> str:
        """What an error that left the engine says: a limit, or a script that broke the built-ins that we need."""
        if message.startswith("InternalError: interrupted"):
            raise Limit("time")
        if message.startswith(("InternalError: out of memory", "null")):
            raise Limit("memory")
        failed: dict[str, Any] = {"failed": message.splitlines()[0], "kind": "script", "line": None, "frames": []}
        return json.dumps({"events": [], "ended": failed})


@contextmanager
def ended_by_the_kernel(limit_s: float) -> Iterator[None]:
    """End this process (SIGPROF) when what is inside goes far past its CPU time, in a native function or not."""
    signal.setitimer(signal.ITIMER_PROF, limit_s + GRACE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def wrap(source: str) -> str:
    """The script as the inside of an async function in strict mode, its line n at line OWN_LINES + n."""
    return "\n" * (OWN_LINES - 1) + '(async function () { "use strict";\n' + source + "\n})"


class Child:
    """Answers requests, one at a time."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._scripts: dict[int, Script] = {}

    def answer(self, request: bytes) -> bytes:
        """Answer one frame by one frame."""
        head, _, body = request.partition(b"\n")
        header = json.loads(head)
        for context_id in header.get("drop", ()):
            self._scripts.pop(context_id, None)
        try:
            reply, report = self._check(header, body) if header["op"] == "check" else self._run(header, body)
        except (Limit, MemoryError) as limit:
            self._scripts.pop(header.get("context"), None)
            reply, report = {"limit": str(limit) if isinstance(limit, Limit) else "memory"}, ""
        if "limit" in reply:  # here the error is gone, and with it the script's frames that it held
            return_memory()
        return json.dumps({**reply, "resident": resident_bytes()}).encode() + b"\n" + report.encode("utf-8", "replace")

    def _run(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], str]:
        context_id: int = header["context"]
        script = self._scripts.get(context_id)
        if script is None:
            script = self._scripts[context_id] = self._interpreter.script()
        until = time.monotonic() + header["allowance"]
        report, applied = "", 0
        for line in body.split(b"\n"):
            if applied and time.monotonic() > until:
                break
            report = script.apply(line, header["limit"])
            applied += 1
        # The engine throws `null` where there is no memory left for an error; a script may throw it too.
        bare = report.endswith('"bare":true,"memory":false}}')
        clock = script.saw_the_clock()
        return {"applied": applied, **({"bare": True} if bare else {}), **({"clock": True} if clock else {})}, report

    def _check(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], str]:
        context = self._interpreter.context()
        context.set_time_limit(header["limit"])
        source = body.decode("utf-8")
        wrapped = wrap(source)
        try:
            with ended_by_the_kernel(header["limit"]):
                compiled = context.eval(wrapped)
            length = context.eval("(f) => Function.prototype.toString.call(f).length")(compiled)
        except self._interpreter.engine.JSException as error:
            if str(error).startswith("InternalError: interrupted"):
                raise Limit("time") from None
            return {"syntax": syntax_error(str(error))}, ""
        # The compiled function is the whole text, or the text closed the function before its end.
        if length != len(wrapped.strip().encode("utf-16-le")) // 2 - 2:
            return {"syntax": {"message": "the script closes a brace that it did not open"}}, ""
        try:
            return {"checked": True}, context.eval(f"JSON.stringify({header['meta']})")
        except self._interpreter.engine.JSException as error:
            return {"syntax": {"message": str(error).splitlines()[0]}}, ""


def syntax_error(message: str) -> dict[str, Any]:
    """The engine's message, with the line and the column (in bytes) in the script's own source."""
    first, _, rest = message.partition("\n")
    found: dict[str, Any] = {"message": first.removeprefix("SyntaxError: ")}
    place = re.search(r"<input>:(\d+):(\d+)", rest)
    if place:
        found["line"], found["column"] = int(place[1]) - OWN_LINES, int(place[2])
    return found


def resident_bytes() -> int:
    """Resident memory of this process."""
    with Path("/proc/self/statm").open(encoding="ascii") as statm:
        return int(statm.read().split()[1]) * _PAGE


def stack_bytes() -> int:
    """The stack that this process may use, raised to what a script may recurse on (a call takes 1.7 KB)."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _STACK_BYTES if hard == resource.RLIM_INFINITY else min(_STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))  # the main thread's stack grows up to it as it is now
    return wanted


def return_memory() -> None:
    """Give what a script that is gone has used back to the system: what the next one takes must show."""
    import ctypes  # only here: most processes never need it

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next request, or `None` at end of file."""
    head = stream.read(8)
    return stream.read(struct.unpack(">Q", head)[0]) if len(head) == 8 else None


def main() -> None:
    """Serve until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.insert(0, sys.argv[1])
    child = Child(Interpreter(int(sys.argv[2])))
    while (request := read_frame(sys.stdin.buffer)) is not None:
        reply = child.answer(request)
        sys.stdout.buffer.write(struct.pack(">Q", len(reply)) + reply)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
