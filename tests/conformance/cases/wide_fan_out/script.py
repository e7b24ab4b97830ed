"""A thousand agents in one parallel, all results in their places."""

from tenuto import Meta, agent, parallel

meta = Meta(name="wide_fan_out", description="A conformance case")


async def main():
    results = await parallel([agent(f"item {i}") for i in range(1000)])
    return [len(results), results[0], results[999], all(results)]
