"""Questions are answered over HTTP by people; nothing that runs within a run can do it."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .served import Served, ended, until

pytestmark = pytest.mark.e2e

ASKS = """from tenuto import Meta, ask
meta = Meta(name="asks", description="Asks a person")
async def main(args):
    return [await ask("Ship it?", options=["yes", "no"]), await ask("How many?", options=[1, 2])]
"""
AGENT_ASKS = """export const meta = {name: "both", description: "An agent works while a person is asked"}
const [said, worked] = await parallel([() => ask("Ship it?"), () => agent("FORGER work")])
return [said, worked]
"""


def update(base: str, run_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    """As the documentation has it for curl."""
    body = {
        "request": {"meta": {"identity": "ann"}, "input": {"args": [answer]}},
        "waitPolicy": {"lifecycleStage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED"},
    }
    url = f"{base}/api/v1/namespaces/default/workflows/{run_id}/update/answer"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        outcome: dict[str, Any] = json.load(response)["outcome"]
    return outcome


def waiting(served: Served, run_id: str, question: str) -> bool:
    return f"{question}: " in (served.tenuto("show", run_id).stdout or "")


def test_a_question_is_answered_over_http_as_its_options_allow(served: Served) -> None:
    served.tenuto.script("asks.py", ASKS)
    base = served.tenuto.json("up")["http"]
    follower = served.follow("run", "asks.py", "--id", "wf_http", "--json")
    until(lambda: waiting(served, "wf_http", "q1"), 60)
    refused = update(base, "wf_http", {"answer": "maybe", "question": "q1", "by": "ann"})
    assert refused["failure"]["message"] == "'maybe' is no answer to q1; it takes: yes, no"
    assert update(base, "wf_http", {"answer": "yes", "question": "q1", "by": "ann"})["success"] == [
        {"question": "q1", "answer": "yes"}
    ]
    until(lambda: waiting(served, "wf_http", "q2"), 60)
    update(base, "wf_http", {"answer": 2, "by": "bob"})
    report = ended(follower)
    assert report["result"] == ["yes", 2]
    assert [(each["by"], each["via"]) for each in report["questions"]] == [("ann", "update"), ("bob", "update")]


class Other(http.server.BaseHTTPRequestHandler):
    """Any other program on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"other program")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_an_agent_cannot_answer_though_its_rules_open_this_machine_to_it(
    served: Served, tmp_path: Path, other: str
) -> None:
    served.tenuto.script("both.js", AGENT_ASKS)
    running = served.tenuto.json("up")
    url = f"{running['http']}/api/v1/namespaces/default/workflows/wf_forged/update/answer"
    body = json.dumps({"request": {"meta": {}, "input": {"args": [{"answer": "forged", "by": "ann"}]}}})
    forge = f"curl -sS -m 20 {other}; echo; curl -sS -m 20 {url} -d '{body}'; echo; curl -sS -m 20 {running['ui']}"
    served.api.control(
        rules=[
            {
                "match": {"prompt_contains": "FORGER", "turn": 1},
                "reply": {"tool_use": [{"name": "Bash", "input": {"command": forge}}]},
            }
        ]
    )
    words = ("--workspace", str(tmp_path), "--allow", "Network(127.0.0.1)", "--id", "wf_forged", "--json")
    follower = served.follow("run", "both.js", *words)
    until(lambda: '"done": 1' in served.tenuto("show", "wf_forged", "--json").stdout, 90)
    said = served.tenuto("logs", "wf_forged", "a1").stdout
    assert "other program" in said, "the rule is in force"
    assert said.count("is the Temporal Service that runs you") == 2
    assert served.tenuto.json("show", "wf_forged")["status"] == "waiting", "nobody has answered"
    served.tenuto.json("answer", "wf_forged", "real")
    assert ended(follower)["result"][0] == "real"
