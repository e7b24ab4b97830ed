"""The Worker process: `python -m tenuto.worker.process`.

It polls one Task Queue until SIGTERM or SIGINT, drains, and exits. Everything it needs comes from the environment.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Plugin, Worker, WorkerDeploymentConfig

from tenuto.activities.sandbox.sweep import sweep
from tenuto.activities.store import Store, StoreError
from tenuto.workflows.script.dialects import close_interpreters
from tenuto.workflows.setup_contracts import host_queue

from .connect import Unreachable, connect
from .identity import host_id, own_identity
from .implementations import Implementations
from .orphans import release_orphans
from .plugin import ActivitiesOnly
from .service.rehearsal import only_rehearsed, tell
from .simulation import Simulation
from .telemetry import flush, tracing_plugin
from .temporary import own_temporary_folder

if TYPE_CHECKING:
    from .config import Settings

log = logging.getLogger(__name__)

ACTIVITIES_MAX = 500
"""Agents wait for the network, not for a core: the cap is the run's and the fleet's, never the CPU's."""
FETCHES_AT_ONCE = 16
"""Large payloads of one Workflow Task, from a store that is far away. On a local disk the task for each is dear."""
DRAIN = timedelta(seconds=10)
CONNECT_PATIENCE_S = 60.0


def workers_for(client: Client, settings: Settings, implementations: Implementations) -> list[Worker]:
    """The Worker of the common Task Queue and, where there are other hosts, the one of this host's own.

    What works in a checkout that lies on this host goes to the latter; it takes Activities only.
    """
    store, activities = implementations.store, implementations.all
    version = settings.deployment.config() if settings.deployment is not None else None
    workers = [_worker(client, settings.task_queue, store, activities, version)]
    if settings.several_hosts:
        own_queue = host_queue(settings.task_queue, host_id(settings.host))
        workers.append(_worker(client, own_queue, store, activities, version, ActivitiesOnly()))
    return workers


def _worker(
    client: Client,
    task_queue: str,
    store: Store,
    activities: Sequence[Callable[..., Any]],
    version: WorkerDeploymentConfig | None,
    *plugins: Plugin,
) -> Worker:
    """One Worker, its limits set on purpose rather than by default."""
    return Worker(
        client,
        task_queue=task_queue,
        identity=own_identity(),
        activities=activities,
        plugins=plugins,
        deployment_config=version,
        max_concurrent_activities=ACTIVITIES_MAX,
        max_cached_workflows=200,
        # After a crash a Workflow Task waits this long on the dead Worker's own queue.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        # The SDK holds heartbeats back for 80 % of the timeout by default; a retry would start from an older turn.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=DRAIN,
        max_eager_activity_reservations_per_workflow_task=16,
        max_workflow_task_external_storage_concurrency=1 if store.local else FETCHES_AT_ONCE,
    )


def settle() -> None:
    """Let the garbage collector pass over all that was loaded so far, and look less often for what is new.

    It took a twentieth of a Worker's time with a thousand agents (MEASURED), and found nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def rehearse(settings: Settings) -> None:
    """Do all that a Worker does before it connects, and leave.

    Raises:
        StoreError: the store cannot be opened, or takes no objects.
        UsageError: the settings cannot be used.
    """
    store = Store(settings.store)
    store.check_writable()
    tracing_plugin()
    async with Simulation(settings.home) as simulation, Implementations(settings, store, simulation):
        pass


async def serve(settings: Settings) -> None:
    """Poll until a signal says stop, then drain.

    Raises:
        Unreachable: no Temporal Service answered for a minute.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = Store(settings.store)
    client = await _connect_patiently(settings, store, stop)
    if client is None:
        return
    await asyncio.to_thread(sweep, settings.home / "sandboxes")
    async with AsyncExitStack() as polling:
        polling.enter_context(own_temporary_folder(settings.home))
        simulation = await polling.enter_async_context(Simulation(settings.home))
        implementations = await polling.enter_async_context(Implementations(settings, store, simulation))
        for worker in workers_for(client, settings, implementations):
            await polling.enter_async_context(worker)
            log.info("polling %s at %s as %s", worker.task_queue, settings.address, own_identity())
        try:
            await release_orphans(client, settings.task_queue)
        except RPCError as error:
            # Only speed is lost: those attempts end by their heartbeat timeout.
            log.warning("could not look for orphaned attempts: %s", error)
        settle()
        await stop.wait()
        log.info("draining")


async def _connect_patiently(settings: Settings, store: Store, stop: asyncio.Event) -> Client | None:
    deadline = asyncio.get_running_loop().time() + CONNECT_PATIENCE_S
    while not stop.is_set():
        try:
            return await connect(settings, store)
        except Unreachable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
    return None


def main() -> None:
    """Entry of the process. Leaves by `os._exit`: the interpreter's teardown crashes now and then with temporalio."""
    from .config import Settings, UsageError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    code = 0
    rehearsed = only_rehearsed(sys.argv)
    try:
        asyncio.run((rehearse if rehearsed else serve)(Settings.load()))
    except (Unreachable, UsageError, StoreError) as error:
        if rehearsed:
            tell(error)
        else:
            log.error("%s", error)
        code = 1
    finally:
        close_interpreters()
        flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
