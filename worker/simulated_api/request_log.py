"""The log of requests: in memory for questions, and as JSON Lines in a file that outlives the process.

Each request has two lines in the file, flushed before the response starts and at its end:
`{"event": "started", …}` and `{"event": "finished", …}`. A crash between them leaves the first, so whatever was asked
is known. In memory the two are one record.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from pathlib import Path
from typing import Any, TextIO

RECORDS_MAX = 20_000
"""Records kept in memory; the file keeps all."""
TEXT_MAX = 2_000
"""Characters kept of a prompt."""
CLASSES = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


class RequestLog:
    """What was asked, by whom, and what became of it."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._records: deque[dict[str, Any]] = deque(maxlen=RECORDS_MAX)
        self._file: TextIO | None = Path(path).open("a", encoding="utf-8") if path is not None else None  # noqa: SIM115
        self._usage: dict[str, dict[str, dict[str, int]]] = {}
        self.started_total = 0
        self.in_flight = 0
        self.in_flight_max = 0

    def clear(self) -> None:
        """Forget what is in memory. Requests under way are still counted as such."""
        self._records.clear()
        self._usage.clear()
        self.in_flight_max = self.in_flight

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def start(self, record: dict[str, Any]) -> dict[str, Any]:
        """Note a request. `record` is completed in place by `finish`."""
        record = {"n": self.started_total + 1, **record, "finished": None, "outcome": None, "usage": None}
        self.started_total += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        self._records.append(record)
        self._write({"event": "started", **{key: value for key, value in record.items() if value is not None}})
        return record

    def finish(
        self, record: dict[str, Any], *, at: float, outcome: str, usage: dict[str, Any] | None, stop_reason: str | None
    ) -> None:
        """Note how a request ended.

        `outcome` is `completed` (a whole answer was sent), `error` (an error was), `cut`, `stalled` or `gone` (the
        client went away). Usage of a `completed` one is what a client can know of and pays; of others it is what had
        been announced when it ended.
        """
        self.in_flight -= 1
        record.update(finished=at, outcome=outcome, usage=usage, stop_reason=stop_reason)
        if usage:
            totals = self._usage.setdefault(record["key"], {}).setdefault(
                "completed" if outcome == "completed" else "unfinished", dict.fromkeys(("requests", *CLASSES), 0)
            )
            totals["requests"] += 1
            parts = [usage, *(part for part in usage.get("iterations") or () if part["type"] == "compaction")]
            for name in CLASSES:
                totals[name] += sum(part[name] for part in parts)
        ending = {key: record[key] for key in ("n", "id", "status", "finished", "outcome", "usage", "stop_reason")}
        self._write({"event": "finished", **ending})

    def records(self) -> list[dict[str, Any]]:
        """All records in memory, oldest first."""
        # Copied in one go: whoever reads may be in another thread than the server.
        return [dict(record) for record in list(self._records)]

    def usage(self) -> dict[str, Any]:
        """Token totals: `{"completed": {class: n}, "unfinished": {…}, "by_key": {hash: {"completed": …}}}`."""
        totals: dict[str, Any] = {
            kind: dict.fromkeys(("requests", *CLASSES), 0) for kind in ("completed", "unfinished")
        }
        for kinds in self._usage.values():
            for kind, counts in kinds.items():
                for name, count in counts.items():
                    totals[kind][name] += count
        return {**totals, "by_key": json.loads(json.dumps(self._usage))}

    def summary(self) -> dict[str, Any]:
        """Counts by status, outcome, model and prompt, and how many were under way at once."""
        prompts: dict[str, dict[str, int]] = {}
        records = list(self._records)
        for record in records:
            counts = prompts.setdefault(record["prompt"], {"requests": 0, "completed": 0})
            counts["requests"] += 1
            counts["completed"] += record["outcome"] == "completed"
        return {
            "requests": len(records),
            "completed": sum(counts["completed"] for counts in prompts.values()),
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "by_status": dict(Counter(str(record["status"]) for record in records)),
            "by_outcome": dict(Counter(str(record["outcome"]) for record in records if record["outcome"])),
            "by_model": dict(Counter(str(record["model"]) for record in records)),
            "by_prompt": prompts,
        }

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=True) + "\n")
            self._file.flush()
