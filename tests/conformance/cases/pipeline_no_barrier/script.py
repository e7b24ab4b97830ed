"""In pipeline an item moves to its next stage as soon as it is through one, without waiting for the others."""

from tenuto import Meta, agent, pipeline

meta = Meta(name="pipeline_no_barrier", description="A conformance case")


async def main():
    return await pipeline(
        ["slow", "quick"], lambda item: agent(f"find {item}"), lambda found, item: agent(f"check {item}")
    )
