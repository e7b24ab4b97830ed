"""A store does the same on a disk and on a real S3-compatible server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.activities.store import Store

from .seaweed import BUCKET, Seaweed

LARGE_BYTES = 20 * 1024 * 1024


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "file":
        return Store((tmp_path / "store").as_uri())
    server: Seaweed = request.getfixturevalue("s3")
    for name, value in server.environ().items():
        monkeypatch.setenv(name, value)
    return Store(f"s3://{BUCKET}/{tmp_path.name}")


async def test_what_was_written_is_read_whole_and_in_part(store: Store) -> None:
    await store.put("runs/a/report.json", b"whole")
    assert await store.get("runs/a/report.json") == b"whole"
    assert await store.beginning("runs/a/report.json", 3) == b"who"
    assert await store.size("runs/a/report.json") == 5
    await store.put("runs/a/report.json", b"again")
    assert await store.get("runs/a/report.json") == b"again"


async def test_keys_and_folders_are_listed_in_order(store: Store) -> None:
    for key in ("runs/b/log/000001.jsonl", "runs/b/log/000000.jsonl", "runs/a/input.json", "payloads/x/00/y"):
        await store.put(key, b"x")
    assert await store.keys("runs/b/log") == ["runs/b/log/000000.jsonl", "runs/b/log/000001.jsonl"]
    assert await store.folders("runs") == ["a", "b"]
    assert await store.keys("runs/none") == []


async def test_more_keys_than_one_page_of_a_listing_are_all_listed(store: Store) -> None:
    keys = [f"many/{number:04d}" for number in range(1100)]
    for key in keys:
        await store.put(key, b"x")
    assert await store.keys("many") == keys


async def test_what_is_missing_is_a_file_not_found_error(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        await store.get("runs/none")
    with pytest.raises(FileNotFoundError):
        await store.size("runs/none")
    with pytest.raises(FileNotFoundError):
        await store.beginning("runs/none", 10)
    with pytest.raises(FileNotFoundError):
        await store.copy("runs/none", "runs/other")


async def test_objects_are_copied_and_deleted_and_absent_ones_are_no_error(store: Store) -> None:
    await store.put("a", b"x")
    await store.copy("a", "b")
    await store.delete(["a", "never"])
    assert await store.get("b") == b"x"
    with pytest.raises(FileNotFoundError):
        await store.get("a")


async def test_large_objects_come_back_as_they_were(store: Store, tmp_path: Path) -> None:
    data = bytes(range(256)) * (LARGE_BYTES // 256)
    await store.put("large", data)
    assert await store.get("large") == data
    (tmp_path / "log").write_bytes(data)
    await store.put_file("from-file", tmp_path / "log")
    assert await store.size("from-file") == LARGE_BYTES
