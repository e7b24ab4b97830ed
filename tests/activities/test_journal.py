"""The journal's Activities: entries in one listing, agents brought over whole, files hashed for keys."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.journal import JournalActivities
from tenuto.activities.journal_entries import Entry, read_entries
from tenuto.activities.store import Store
from tenuto.workflows.journal_contracts import (
    FileHashes,
    HashedCall,
    HashFilesInput,
    OpenJournalInput,
    RecallAgentsInput,
    RecalledCall,
)
from tenuto.workflows.setup_contracts import Policy, RunSetup

USAGE = {"input_tokens": 3, "output_tokens": 4, "usd": 0.5}


async def agent(store: Store, name: str, **given: Any) -> None:
    """A finished agent of the run `old`, whose entry is `k{name}-0`."""
    record: dict[str, Any] = {
        "run_id": "old",
        "agent": name,
        "model": "m",
        "served": "m",
        "value": f"by {name}",
        "usage": USAGE,
    }
    record |= {"failure": None, "wrote": {}, "ended_at": "2026-01-01T00:00:00Z", "added_later": 1, **given}
    record = Entry(f"k{name}-0", name, "files" if record["wrote"] else "nothing").first() | record
    await store.put(f"runs/old/agents/{name}/record.json", json.dumps(record).encode())
    await store.put(f"runs/old/agents/{name}/turns/000000.json", b"[]")


async def recall(store: Store, was: str, resumed: str = "old", run_id: str = "new", name: str = "a9") -> Any:
    call = RecalledCall(entry=f"k{was}-0", was=was, agent=name, label="shown")
    given = RecallAgentsInput(run_id=run_id, resumed=resumed, calls=[call])
    return (await JournalActivities(store).recall_agents(given)).agents[0]


async def test_an_agent_comes_over_whole_and_its_run_may_go(store: Store) -> None:
    await agent(store, "a1", served="n")
    found = await recall(store, "a1")
    assert (found.found, found.value, found.model) == (True, "by a1", "n")
    await store.delete(await store.keys("runs/old"))
    record = json.loads(await store.get("runs/new/agents/a9/record.json"))
    assert (record["run_id"], record["agent"], record["label"]) == ("new", "a9", "shown")
    assert (record["usage"]["usd"], record["recalled"]["usage"], record["added_later"]) == (0, USAGE, 1)
    assert await store.get("runs/new/agents/a9/turns/000000.json") == b"[]"
    assert await read_entries(store, "new") == [Entry("ka1-0", "a9")]


async def test_the_entry_of_a_large_record_is_found_in_its_beginning(store: Store) -> None:
    await agent(store, "a1", value="x" * 100_000)
    await recall(store, "a1")
    for run_id, name in (("old", "a1"), ("new", "a9")):
        assert await read_entries(store, run_id) == [Entry("ka1-0", name)]


async def test_where_it_was_paid_is_known_after_any_number_of_runs(store: Store) -> None:
    await agent(store, "a1")
    await recall(store, "a1", name="a1")
    await recall(store, "a1", resumed="new", run_id="third")
    record = json.loads(await store.get("runs/third/agents/a9/record.json"))
    assert record["recalled"] == {"run_id": "old", "agent": "a1", "usage": USAGE}


@pytest.mark.parametrize("record", [b"", b"[]", b'{"failure": {"kind": "x", "message": "y"}}', None])
async def test_a_record_that_is_gone_or_no_answer_is_not_found(store: Store, record: bytes | None) -> None:
    if record is not None:
        await store.put("runs/old/agents/a1/record.json", record)
    assert not (await recall(store, "a1")).found


async def test_a_journal_is_what_still_holds_with_reasons_for_the_rest(store: Store, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    await agent(store, "a1")
    await agent(store, "a2", wrote={"kept": hashlib.sha256(b"x").hexdigest()})
    await agent(store, "a3", wrote={"gone": "0"})
    await store.put("runs/old/agents/a4/record.json", b'{"entry": null, "left": "nothing", "agent": "a4"}')
    await store.put("runs/old/agents/a5/record.json", b"something else")
    opened = await JournalActivities(store).open_journal(
        OpenJournalInput(run_id="new", resumed="old", workspace=str(tmp_path))
    )
    assert opened.entries == {"ka1-0": "a1", "ka2-0": "a2"}
    assert opened.left == {"ka2-0": "files"}
    assert list(opened.lost) == ["ka3-0"]


async def hashes(store: Store, workspace: Path, **call: list[str]) -> FileHashes:
    data = RunSetup(run_id="new", workspace=str(workspace), policy=Policy(allow=["Read"])).model_dump_json().encode()
    key = f"runs/new/setup/{hashlib.sha256(data).hexdigest()}.json"
    await store.put(key, data)
    given = HashFilesInput(run_id="new", setup=key, calls=[HashedCall(**call)])
    return (await JournalActivities(store).hash_files(given)).calls[0]


async def test_files_are_hashed_by_content_and_texts_are_not(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "b.md").write_text("two")
    first = await hashes(store, tmp_path, context=["a.md", "be brief"], inputs=["*.md", "none.txt"])
    assert first.context[1] is None
    assert first.inputs["b.md"] == hashlib.sha256(b"two").hexdigest()
    assert first.inputs["none.txt"] == "absent"
    (tmp_path / "a.md").write_text("another")
    second = await hashes(store, tmp_path, context=["a.md", "be brief"], inputs=["*.md", "none.txt"])
    assert second.context[0] != first.context[0]
    assert second.inputs["a.md"] != first.inputs["a.md"]
    assert second.inputs["b.md"] == first.inputs["b.md"]
