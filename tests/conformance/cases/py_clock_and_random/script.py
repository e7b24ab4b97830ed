"""The clock is workflow time in UTC, and randomness comes from the seed: a replay sees the same."""

import random
import time
from datetime import date, datetime, timezone

from tenuto import Meta, now

meta = Meta(name="py_clock_and_random", description="A conformance case")


async def main():
    roll = random.random()
    return [
        datetime.now().isoformat(),
        datetime.now(timezone.utc).isoformat(),  # noqa: UP017 - the interpreter has no datetime.UTC
        date.today().isoformat(),
        time.time() == now(),
        0 <= roll < 1,
        roll != random.random(),
    ]
