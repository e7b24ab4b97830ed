"""asyncio.gather starts what it is given at once; asyncio.sleep and time.sleep are durable timers."""

import asyncio
import time

from tenuto import Meta, agent

meta = Meta(name="py_gather_and_sleep", description="A conformance case")


async def main():
    results = await asyncio.gather(agent("slow"), agent("quick"), asyncio.sleep(3))
    await asyncio.sleep(4)
    time.sleep(3)
    return results
