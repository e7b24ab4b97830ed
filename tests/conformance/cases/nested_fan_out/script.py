"""parallel inside a pipeline stage: fan-out by item, each at its own pace."""

from tenuto import Meta, agent, parallel, pipeline

meta = Meta(name="nested_fan_out", description="A conformance case")


async def main():
    return await pipeline(["a", "b"], find, check)


async def find(item: str):
    return await agent(f"list {item}")


async def check(entries: list[int], item: str):
    checks = await parallel([agent(f"check {item}:{entry}") for entry in entries])
    return {"item": item, "checks": len([each for each in checks if each])}
