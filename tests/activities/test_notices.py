"""A hook is given one JSON document for each thing that happened; one that fails is tried again, and said."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from tenuto.activities import notices
from tenuto.activities.notices import FAILED, Hook, NoticeActivities
from tenuto.activities.store import Store
from tenuto.worker.untold import untold_notices
from tenuto.workflows.notice_contracts import Notice, NoticeInput
from tenuto.workflows.people_contracts import QuestionView

QUESTION = QuestionView(id="q1", question="Ship it?", options=["yes", "no"], asked_at="2026-01-01T00:00:00Z")
NOTICE = Notice(
    id="wf_1/notice-1",
    event="question",
    at="2026-01-01T00:00:00Z",
    run_id="wf_1",
    workflow="port",
    status="waiting",
    message="Ship it?",
    question=QUESTION,
    answer_with="tenuto answer wf_1 q1 ANSWER",
)


class Listener(http.server.BaseHTTPRequestHandler):
    """Answers with the server's `status`, and keeps what was posted."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        server.heard.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(server.status)
        self.end_headers()
        self.wfile.write(b"no room" if server.status >= 400 else b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.heard, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@dataclasses.dataclass
class Bench:
    store: Store
    home: Path

    async def tell(self, hook: Hook, attempt: int = 1) -> bool:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=attempt)
        activities = NoticeActivities(self.store, self.home, lambda: hook)
        told: bool = await environment.run(activities.notify, NoticeInput(notice=NOTICE))
        return told

    async def fails(self, hook: Hook, attempt: int = 1) -> str:
        with pytest.raises(ApplicationError) as raised:
            await self.tell(hook, attempt)
        assert (raised.value.type, raised.value.non_retryable) == ("hook", False)
        (notice,) = await untold_notices(self.store, "wf_1")
        assert notice.error == raised.value.message and notice.attempts == attempt
        return raised.value.message


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Store((tmp_path / "store").as_uri()), tmp_path)


async def test_a_command_is_given_the_whole_notice_and_no_secret(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    assert await bench.tell(Hook(command="cat > told.json; env > env.txt"))
    told = json.loads((bench.home / "told.json").read_text())
    assert (told["id"], told["event"], told["owner"]) == ("wf_1/notice-1", "question", None)
    assert told["question"]["options"] == ["yes", "no"]
    assert told["answer_with"] == "tenuto answer wf_1 q1 ANSWER"
    environment = (bench.home / "env.txt").read_text()
    assert "TENUTO_EVENT=question" in environment and "sk-secret" not in environment


async def test_a_url_is_posted_to_with_the_key_that_stays_the_same(bench: Bench, listener: Any) -> None:
    listener.status = 503
    assert "503: no room" in await bench.fails(Hook(url=listener.url))
    listener.status = 204
    assert await bench.tell(Hook(url=listener.url), attempt=2)
    assert [key for key, _ in listener.heard] == ["wf_1/notice-1"] * 2
    assert listener.heard[0][1] == listener.heard[1][1]
    assert await untold_notices(bench.store) == [], "once it got through there is nothing left to say"


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (Hook(command="echo broken >&2; exit 3"), "exit code 3: broken"),
        (Hook(command="no-such-program-here"), "exit code 127"),
        (Hook(url="http://127.0.0.1:1/"), "cannot be reached"),
    ],
)
async def test_a_hook_that_fails_is_tried_again_and_written_down(bench: Bench, hook: Hook, said: str) -> None:
    assert said in await bench.fails(hook)
    assert said in await bench.fails(hook, attempt=2)
    assert len(await bench.store.keys(FAILED)) == 1


async def test_a_hook_that_hangs_is_ended_with_all_that_it_started(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "HOOK_S", 0.5)
    began = time.monotonic()
    said = await bench.fails(Hook(command="sleep 600 & echo $! > pid; wait"))
    assert "took longer" in said and time.monotonic() - began < 60
    pid = int((bench.home / "pid").read_text())
    status = Path(f"/proc/{pid}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


async def test_without_a_hook_nobody_is_told(bench: Bench) -> None:
    assert not await bench.tell(Hook())


async def test_a_configuration_that_cannot_be_read_is_said_and_waited_for(bench: Bench) -> None:
    def unreadable() -> Hook:
        raise ValueError("the notify url is 'x'; expected one that starts with http:// or https://")

    with pytest.raises(ApplicationError, match="the notify url is 'x'"):
        await ActivityEnvironment().run(
            NoticeActivities(bench.store, bench.home, unreadable).notify, NoticeInput(notice=NOTICE)
        )
