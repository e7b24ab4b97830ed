"""Large payloads in the store instead of in a history, for `temporalio`'s `ExternalStorage`.

What is left in the history is a claim: key, size, and the beginning of the payload as text, because a claim is what a
person sees in the Temporal UI. Objects are keyed by Workflow Id, which Continue-As-New keeps, so that they can be swept
by it: `ExternalStorage` itself never deletes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from urllib.parse import quote

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from .store import Store

THRESHOLD_BYTES = 16 * 1024
"""So that the commands of one Workflow Task stay far below 4 MiB, at which the server terminates the Workflow."""
PREVIEW_BYTES = 1024
NO_WORKFLOW = "_activities"
"""Folder of payloads that belong to no Workflow by name: heartbeat details, for one."""


class PayloadStore(StorageDriver):
    """Payloads under `payloads/{workflow id}/{hh}/{sha256}`; equal payloads of a Workflow are one object."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def name(self) -> str:
        """Its name in every claim; changing it orphans what is stored."""
        return "tenuto"

    def type(self) -> str:
        """As `name`."""
        return "tenuto.store"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Keep payloads, and return a claim for each. Raises what the store raises."""
        folder = f"payloads/{_owner(context)}"
        return list(await asyncio.gather(*(self._keep(folder, payload) for payload in payloads)))

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Fetch payloads by their claims.

        Raises:
            FileNotFoundError: an object was swept.
        """
        found = await asyncio.gather(*(self._store.get(claim.claim_data["key"]) for claim in claims))
        return [Payload.FromString(data) for data in found]

    async def _keep(self, folder: str, payload: Payload) -> StorageDriverClaim:
        data = payload.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        key = f"{folder}/{digest[:2]}/{digest}"
        await self._store.put(key, data)
        preview = payload.data[:PREVIEW_BYTES].decode("utf-8", "ignore")
        return StorageDriverClaim(claim_data={"key": key, "size": str(len(payload.data)), "preview": preview})


def external_storage(store: Store) -> ExternalStorage:
    """The setting of a data converter that puts payloads over 16 KiB into this store."""
    return ExternalStorage(drivers=[PayloadStore(store)], payload_size_threshold=THRESHOLD_BYTES)


def _owner(context: StorageDriverStoreContext) -> str:
    target = context.target
    owner = target.id if isinstance(target, StorageDriverWorkflowInfo) else None
    # One path segment, whatever characters an id has.
    return quote(owner, safe="") if owner else NO_WORKFLOW
