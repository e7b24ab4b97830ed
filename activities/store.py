"""The store: everything of a run that is bulk, as immutable objects under the run's id.

One library (`obstore`) speaks to a directory, S3, GCS and Azure, chosen by a URL (`file://`, `s3://`, `gs://`,
`az://`). Objects are written whole and never appended to, so a reader never sees half of one.

Layout:
    runs/{run}/report.json                      the final report (`RunReport`), without the result
    runs/{run}/result.json                      the result, whole
    runs/{run}/input.json                       script, arguments and limits
    runs/{run}/log/{part:06d}.jsonl             narrator lines, in batches
    runs/{run}/ceilings.json                    how often ceilings were lowered, by scope
    runs/{run}/agents/{agent}/record.json       prompt, result, usage, outcome of one agent, and its last messages
    runs/{run}/agents/{agent}/turns/{n:06d}.json  messages of its conversation from the nth on, up to the next object
    payloads/{workflow}/{hh}/{sha256}           payloads too large for a history
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url


class StoreError(Exception):
    """The store cannot be opened as named."""


class Store:
    """Bytes by key. Methods raise what `obstore` raises; a missing object is `FileNotFoundError`."""

    def __init__(self, url: str) -> None:
        """Open it. Raises `StoreError`, in one line."""
        self.url = url
        try:
            self._objects = _open(url)
        except (BaseError, OSError, ValueError) as error:
            # The library's errors go on for twenty lines; the first is the one for a person.
            said = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise StoreError(f"the store {url} cannot be opened: {said}") from error

    @property
    def local(self) -> bool:
        """Whether the objects lie on this host only."""
        return self.url.startswith("file://")

    def check_writable(self) -> None:
        """Whether a directory on this host takes objects; of other stores only the first write can tell.

        Raises:
            StoreError: it does not.
        """
        if self.local and not os.access(folder := _folder(self.url), os.W_OK | os.X_OK):
            raise StoreError(f"the store {self.url} cannot be written: {folder} does not let this user")

    async def put(self, key: str, data: bytes) -> None:
        """Write one object, whole, replacing what was there."""
        await obstore.put_async(self._objects, key, data)

    async def copy(self, key: str, to: str) -> None:
        """Copy one object within the store, replacing what was there.

        Raises:
            FileNotFoundError: there is none.
        """
        await obstore.copy_async(self._objects, key, to)

    async def put_file(self, key: str, path: Path) -> None:
        """Write one object from a file of any size, without holding all of it in memory."""
        await obstore.put_async(self._objects, key, path)

    async def get(self, key: str) -> bytes:
        """Read one object.

        Raises:
            FileNotFoundError: there is none.
        """
        result = await obstore.get_async(self._objects, key)
        return bytes(await result.bytes_async())

    async def beginning(self, key: str, bytes_max: int) -> bytes:
        """The first bytes of one object, which is not empty.

        Raises:
            FileNotFoundError: there is none.
        """
        return bytes(await obstore.get_range_async(self._objects, key, start=0, length=bytes_max))

    async def size(self, key: str) -> int:
        """Bytes of one object, without reading it.

        Raises:
            FileNotFoundError: there is none.
        """
        return int((await obstore.head_async(self._objects, key))["size"])

    async def folders(self, prefix: str) -> list[str]:
        """Names directly under a prefix that have objects below them, ascending."""
        found = await obstore.list_with_delimiter_async(self._objects, prefix=prefix)
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found["common_prefixes"])

    async def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix, ascending."""
        found: list[str] = []
        async for batch in _batches(self._objects, prefix):
            found.extend(batch)
        return sorted(found)

    async def measured(self, prefix: str) -> tuple[int, int]:
        """How many objects there are under a prefix, and their bytes."""
        count = size = 0
        async for batch in obstore.list(self._objects, prefix=prefix):
            count += len(batch)
            size += sum(int(item["size"]) for item in batch)
        return count, size

    async def delete(self, keys: list[str]) -> None:
        """Remove objects; absent ones are no error."""
        if not self.local:
            await obstore.delete_async(self._objects, keys)
            return
        # One by one: on a disk the first absent one would keep those after it.
        for key in keys:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._objects, key)


async def _batches(objects: ObjectStore, prefix: str) -> AsyncIterator[list[str]]:
    async for batch in obstore.list(objects, prefix=prefix):
        yield [str(item["path"]) for item in batch]


def _folder(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _open(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = _folder(url)
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder, automatic_cleanup=True)
    if parts.scheme in ("s3", "gs", "az"):
        return from_url(url)
    raise StoreError(f"TENUTO_STORE is {url!r}; expected a URL that starts with file://, s3://, gs:// or az://")
