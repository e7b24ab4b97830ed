"""A stage that throws leaves null in its slot, skips the stages after it and is logged."""

from tenuto import Meta, agent, pipeline

meta = Meta(name="pipeline_failures", description="A conformance case")


async def main():
    return await pipeline(["ok", "bad"], ask, refuse, lambda previous, item: [previous])


async def ask(item: str):
    return await agent(item)


def refuse(previous: str, item: str):
    if item == "bad":
        raise RuntimeError("no use")
    return previous
