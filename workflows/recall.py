"""The journal of one run: names for its calls, and the answers that an earlier run has already paid for."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from . import journal_contracts as wire
    from .carry_contracts import JournalState
    from .contracts import RunAgentInput, RunAgentResult
    from .journal import Material, Ordinals, key_of, needs_files, step_key
    from .wire import HEARTBEAT

if TYPE_CHECKING:
    from .run import Run

RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
"""Without an end: what was paid for is worth waiting for the store."""
LONGEST = timedelta(minutes=30)
FILES_PATCH = "journal-files"


class Journal:
    """Entries are taken from the run named by `resume_from` only, and each one once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ordinals = Ordinals()
        self._entries: dict[str, str] = {}
        self._left: dict[str, str] = {}
        self._lost: dict[str, str] = {}
        self._answers: dict[str, wire.KnownAnswer] = {}
        self._recalls = _Batch(self._recall_all)
        self._hashes = _Batch(self._hash_all)

    def restore(self, state: JournalState) -> None:
        """Go on from what `state` gave."""
        self._ordinals = Ordinals(state.ordinals)
        self._entries, self._left, self._lost = state.entries, state.left, state.lost
        self._answers = state.answers

    def state(self) -> JournalState:
        """All of it, to be taken along."""
        state = JournalState(ordinals=self._ordinals.next, entries=self._entries, left=self._left, lost=self._lost)
        if self._answers:
            state.answers = self._answers
        return state

    async def open(self) -> None:
        """Look at what the earlier run left, if there is one. Raises `ActivityError` when cancelled."""
        resumed = self._run.input.resume_from
        if resumed is None:
            return
        found = await workflow.execute_activity(
            wire.open_journal,
            wire.OpenJournalInput(run_id=self._run.id, resumed=resumed, workspace=self._run.input.workspace),
            task_queue=self._run.workspace_queue,
            start_to_close_timeout=LONGEST,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary=f"open the journal of {resumed}",
        )
        self._entries, self._left, self._lost = found.entries, found.left, found.lost
        self._answers = found.answers
        self._run.say(f"resumes {resumed}: {len(found.entries)} finished agents can be reused")

    async def named(self, input: RunAgentInput, inputs: list[str]) -> RunAgentInput:
        """The same call with the name of its entry.

        Args:
            inputs: paths and patterns of files that the call says it depends on.
        """
        setup = self._run.setup
        files = wire.FileHashes()
        if needs_files(input, inputs) and workflow.patched(FILES_PATCH):
            files = await self._hashes.ask(wire.HashedCall(context=input.context or [], inputs=inputs))
        definition = setup.agent_types.get(input.agent_type or "") if setup is not None else None
        material = Material(
            agent_type=definition.sha256 if definition is not None else None,
            instructions=setup.instructions_sha256 if setup is not None else "",
            base=setup.base if setup is not None else None,
            context=files.context,
            inputs=files.inputs,
        )
        return input.model_copy(update={"entry": self._ordinals.name(key_of(input, material))})

    def entry_of(self, key: str) -> str:
        """The name of the next call with this key, for an agent that a Child Workflow borrows."""
        return self._ordinals.name(key)

    def answer_to(self, args: dict[str, Any]) -> wire.KnownAnswer | None:
        """What a person has answered to this question in the earlier run."""
        key = step_key("ask", {"question": args["question"], "options": list(args.get("options") or ()) or None})
        assert key is not None
        return self._answers.pop(self.entry_of(key), None)

    async def recall(self, entry: str, agent: str, label: str, phase: str | None) -> RunAgentResult | None:
        """What a named call came to in the earlier run, or `None` if it has to be made.

        Args:
            agent: id of the call in this run, with its label and phase.
        """
        was = self._entries.pop(entry, None)
        if was is None:
            if why := self._lost.get(entry):
                self._run.say(f"{label}: not reused: {why}")
            return None
        call = wire.RecalledCall(entry=entry, was=was, agent=agent, label=label)
        if phase is not None:
            call.phase = phase
        if entry in self._left:
            call.left = self._left[entry]
        found: wire.RecalledAgent = await self._recalls.ask(call)
        if not found.found:
            self._run.say(f"{label}: not reused: its record is no longer in the store")
            return None
        given: dict[str, Any] = {key: getattr(found, key) for key in ("model", "commit") if getattr(found, key)}
        return RunAgentResult(value=found.value, **given)

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel what is under way; what has to be waited for."""
        return [*self._recalls.cancel(), *self._hashes.cancel()]

    async def _recall_all(self, calls: list[Any]) -> list[Any]:
        resumed = self._run.input.resume_from
        assert resumed is not None
        async with self._run.pending.to_finish:
            result = await workflow.execute_activity(
                wire.recall_agents,
                wire.RecallAgentsInput(run_id=self._run.id, resumed=resumed, calls=calls),
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
                summary=f"recall {len(calls)} agents",
            )
        return list(result.agents)

    async def _hash_all(self, calls: list[Any]) -> list[Any]:
        assert self._run.setup is not None
        async with self._run.pending.to_finish:
            result = await workflow.execute_activity(
                wire.hash_files,
                wire.HashFilesInput(run_id=self._run.id, setup=self._run.setup.key, calls=calls),
                task_queue=self._run.workspace_queue,
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
                summary=f"hash the files of {len(calls)} calls",
            )
        return list(result.calls)


class _Batch:
    """Puts together what is asked for in one activation: a thousand answers are ten Activities."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._asked: list[tuple[Any, asyncio.Future[Any]]] = []
        self._tasks: dict[asyncio.Task[None], None] = {}  # a dict keeps the order, which replay depends on

    async def ask(self, question: Any) -> Any:
        """The answer to one question. Raises what the Activity raises."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((question, future))
        if len(self._asked) == 1:
            self._begin(self._collect())
        return await future

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)

    async def _collect(self) -> None:
        await asyncio.sleep(0)  # every call of this activation has asked by then
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), wire.RECALLED_AT_ONCE):
            self._begin(self._settle(asked[start : start + wire.RECALLED_AT_ONCE]))

    async def _settle(self, asked: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._answer([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it, whatever it is
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
