"""parallel is a barrier: all calls run at once and the results come in the order of the calls."""

from tenuto import Meta, agent, parallel

meta = Meta(name="parallel_order", description="A conformance case")


async def main():
    results = await parallel([agent(name) for name in ["slow", "quick", "middle"]])
    return {"results": results, "after": await agent("after")}
