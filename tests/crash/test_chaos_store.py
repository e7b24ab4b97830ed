"""A store that is far away, and out of reach for a while."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from ..store.conftest import s3
from ..store.seaweed import BUCKET, Seaweed
from .bench import Bench
from .cuttable import Cuttable
from .disturbed import Calm, cut_off, run
from .evidence import holds, write_down

__all__ = ["s3"]

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

SEED = int(os.environ.get("TENUTO_CHAOS_SEED", "1"))
AWAY_S = 5.0


@pytest.fixture(scope="module")
def far(s3: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench whose runs are kept there."""
    with SimulatedApi.in_thread() as api, pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environ().items():
            patch.setenv(name, value)
        environ = {**s3.environ(), "TENUTO_STORE": f"s3://{BUCKET}/chaos"}
        bench = Bench(tmp_path_factory.mktemp("far"), api, environ)
        bench.start_server()
        try:
            yield bench
        finally:
            bench.end(server=True)


async def test_the_store_is_out_of_reach_for_a_while_and_the_run_waits_for_it(s3: Seaweed, far: Bench) -> None:
    expected = await Calm(far).of("everything.py")
    assert far.workers
    far.end()
    at = random.Random(SEED).randrange(10, 300)
    async with Cuttable(s3.host, s3.port) as way:
        far.start_worker(**s3.environ(way.address))

        ran = await run(far, "everything.py", "wf_away", cut_off(way, at, AWAY_S))
        holds(ran, expected, far, ("store out of reach", at))
        assert way.refused > 0, "the store was not asked for meanwhile"
    write_down("Store out of reach", ran, expected, at=at, away_s=AWAY_S)
