"""A stage gets what the one before it gave, and the item."""

from tenuto import Meta, pipeline

meta = Meta(name="pipeline_stage_arguments", description="A conformance case")


async def main():
    return await pipeline(["a", "b"], lambda item: item + "1", join, lambda previous, item: [previous, item])


async def join(previous: str, item: str):
    return f"{previous}/{item}"
