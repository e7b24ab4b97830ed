"""The Activities that keep a run beyond Temporal's retention: its report, its result, its log."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import to_json
from temporalio import activity

from tenuto.workflows.contracts import AppendLogInput, WriteReportInput

from .heartbeat import alive
from .store import Store


class ReportActivities:
    """Registers `write_report` and `append_log`. Both may run twice: they write the same objects again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name="write_report")
    @alive
    async def write_report(self, input: WriteReportInput) -> str | None:
        """Write log, result and report of a run that has ended, the report last: where it is, all is.

        Returns:
            The store key of the result, or `None` if there is none.

        Raises:
            What the store raises; Temporal tries again.
        """
        folder = f"runs/{input.report.run_id}"
        await self._write_log(folder, input.log_part, input.log)
        key = None
        if input.has_result:
            key = f"{folder}/result.json"
            await self._store.put(key, to_json(input.result, inf_nan_mode="null"))
        report = input.report.model_copy(update={"result": None, "result_ref": key})
        await self._store.put(f"{folder}/report.json", report.model_dump_json().encode())
        return key

    @activity.defn(name="append_log")
    async def append_log(self, input: AppendLogInput) -> None:
        """Write one batch of narrator lines: `log/{part:06d}.jsonl`, a JSON string a line. Raises as `write_report`."""
        await self._write_log(f"runs/{input.run_id}", input.part, input.lines)

    async def _write_log(self, folder: str, part: int, lines: Sequence[str]) -> None:
        if lines:
            await self._store.put(f"{folder}/log/{part:06d}.jsonl", b"".join(to_json(line) + b"\n" for line in lines))
