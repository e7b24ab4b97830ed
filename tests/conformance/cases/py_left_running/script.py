"""After gather has raised, what it started does not hold up the result."""

import asyncio

from tenuto import Meta, agent

meta = Meta(name="py_left_running", description="A conformance case")


async def main():
    try:
        await asyncio.gather(agent("slow"), agent("bad"))
    except RuntimeError as error:
        return str(error)
