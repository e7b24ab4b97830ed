"""One holder at a time, first come first served; other locks are free meanwhile."""

from tenuto import Meta, agent, lock, log, parallel

meta = Meta(name="lock_one_at_a_time", description="A conformance case")


async def held(name: str, id: str):
    async def inside():
        log(f"in {id}")
        value = await agent(id)
        log(f"out {id}")
        return value

    return await lock(name, inside)


async def main():
    return await parallel([held("a", "a 1"), held("a", "a 2"), held("a", "a 3"), held("b", "b 1")])
