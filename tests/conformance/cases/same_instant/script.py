"""Calls that end at the same instant are seen in the order in which they were made."""

from tenuto import Meta, agent, parallel

meta = Meta(name="same_instant", description="A conformance case")


async def main():
    order = []

    async def one(n: int):
        order.append(await agent(f"n{n}"))

    await parallel([one(n) for n in [3, 1, 2]])
    return order
