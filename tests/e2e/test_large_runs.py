"""A thousand agents, and fifty megabytes."""

from __future__ import annotations

import pytest

from .served import Served, ended

pytestmark = pytest.mark.e2e

LARGE_BYTES = 50_000_000
LARGE = """export const meta = {name: "large", description: "Returns a lot"}
return "0123456789abcdef\\u00e9\\n".repeat(args.n)
"""
LINE = "0123456789abcdefé\n"
ONE_TOO_MANY = """export const meta = {name: "too-many", description: "One agent more than there may be"}
const said = await parallel(Array.from({length: 1000}, (_, i) => () => agent(`many task ${i}`)))
try {
  await agent("many task 1000")
} catch (error) {
  return {said: said.filter(Boolean).length, refused: error.name, failures: failures().length}
}
"""
EVENTS_PER_AGENT = 5
BYTES_PER_AGENT = 1024


def test_a_thousand_agents_complete_and_the_next_is_refused(served: Served) -> None:
    served.tenuto.script("too-many.js", ONE_TOO_MANY)
    report = ended(served.follow("run", "too-many.js", "--json", "--id", "wf_thousand"), code=3)
    assert report["result"] == {"said": 1000, "refused": "WorkflowAgentCapError", "failures": 1}
    assert (report["census"]["agents"], report["census"]["done"]) == (1000, 1000)
    assert [failure["kind"] for failure in report["failures"]] == ["agent_cap"]
    assert len(served.asked("many")) == 1000
    history = served.history("wf_thousand")
    assert len(history) <= EVENTS_PER_AGENT * 1000
    assert sum(event.ByteSize() for event in history) <= BYTES_PER_AGENT * 1000


def test_fifty_megabytes_come_back_byte_for_byte(served: Served) -> None:
    lines = LARGE_BYTES // len(LINE.encode())
    whole = (LINE * lines).encode()
    served.tenuto.script("large.js", LARGE)
    report = ended(served.follow("run", "large.js", "--args", f'{{"n": {lines}}}', "--json", "--id", "wf_large"))
    assert report["result"].encode() == whole
    assert served.tenuto("result", "wf_large", "-o", "large.txt").returncode == 0
    assert (served.tenuto.folder / "large.txt").read_bytes() == whole
    assert served.tenuto("result", "wf_large").stdout.encode() == whole
