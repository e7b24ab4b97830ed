"""The `notify` Activity: a person's own command or URL is told what happened to a run.

A hook runs outside of the sandbox, with the rights of the Worker. So only the owner of the Worker names it: in the
environment or in TENUTO_HOME, never in a file of a project.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tenuto.workflows.notice_contracts import Notice, NoticeInput, plain

from .steps.program import run
from .store import Store

FAILED = "hooks/failed"
"""Store prefix of what did not get through: `{run}/{number}.json`, until it does."""
HOOK_S = 30.0
"""So long a hook may take."""
SAID_CHARS = 500
KIND = "hook"


@dataclass(frozen=True, slots=True)
class Hook:
    """Whom to tell: a shell command, which is given the notice on its standard input; a URL, to which it is posted."""

    command: str | None = None
    url: str | None = None

    def __bool__(self) -> bool:
        return bool(self.command or self.url)


class HookFailed(Exception):
    """The hook did not take a notice. The message says what it said."""


class NoticeActivities:
    """Registers `notify`.

    Args:
        home: where commands run.
        hook: whom to tell, looked up each time; raises `ValueError` in plain words where that cannot be read.
    """

    def __init__(self, store: Store, home: Path, hook: Callable[[], Hook]) -> None:
        self._store = store
        self._home = home
        self._hook = hook

    @activity.defn(name="notify")
    async def notify(self, input: NoticeInput) -> bool:
        """Call the hook of this Worker; false where it has none.

        Raises:
            ApplicationError: type `hook`, retried by the caller: it failed, hung, or cannot be read. It is written down
                where `logs` and `doctor` find it.
        """
        notice, key = input.notice, f"{FAILED}/{input.notice.id.replace('/', '.')}.json"
        try:
            hook = await asyncio.to_thread(self._hook)
            if hook.command is not None:
                await _run(hook.command, notice, self._home)
            if hook.url is not None:
                await _post(hook.url, notice)
        except (HookFailed, ValueError) as error:
            await self._store.put(key, _record(notice, str(error), activity.info().attempt))
            raise ApplicationError(str(error), type=KIND, category=ApplicationErrorCategory.BENIGN) from None
        if activity.info().attempt > 1:
            await self._store.delete([key])
        return bool(hook)


async def _run(command: str, notice: Notice, home: Path) -> None:
    env = {"TENUTO_EVENT": notice.event, "TENUTO_RUN": notice.run_id, "TENUTO_NOTICE": notice.id}
    try:
        async with asyncio.timeout(HOOK_S):
            ended = await run(["/bin/sh", "-c", command], cwd=home, env=env, input=json.dumps(plain(notice)) + "\n")
    except TimeoutError:
        raise HookFailed(f"the command took longer than {HOOK_S:g} s and was ended") from None
    except OSError as error:
        raise HookFailed(f"the command cannot be started: {error}") from error
    if ended.exit_code != 0:
        raise HookFailed(f"the command ended with exit code {ended.exit_code}: {ended.said[:SAID_CHARS]}")


async def _post(url: str, notice: Notice) -> None:
    try:
        async with asyncio.timeout(HOOK_S), httpx2.AsyncClient(timeout=HOOK_S, follow_redirects=False) as client:
            answer = await client.post(url, json=plain(notice), headers={"Idempotency-Key": notice.id})
    except TimeoutError:
        raise HookFailed(f"the URL took longer than {HOOK_S:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise HookFailed(f"the URL cannot be reached: {error or type(error).__name__}") from error
    if not answer.is_success:
        raise HookFailed(f"the URL answered {answer.status_code}: {' '.join(answer.text.split())[:SAID_CHARS]}")


def _record(notice: Notice, error: str, attempt: int) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    kept = {"run_id": notice.run_id, "event": notice.event, "message": notice.message, "error": error, "at": at}
    return json.dumps(kept | {"attempts": attempt}).encode()
