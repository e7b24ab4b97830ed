"""asyncio.create_task is refused, with what to write instead."""

import asyncio

from tenuto import Meta, agent

meta = Meta(name="py_refused_create_task", description="A conformance case")


async def main():
    return await asyncio.create_task(agent("x"))
