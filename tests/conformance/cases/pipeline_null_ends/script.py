"""A stage that comes to null ends its item with null; the stages after it do not see it."""

from tenuto import Meta, agent, pipeline

meta = Meta(name="pipeline_null_ends", description="A conformance case")


async def main():
    return await pipeline(
        [1, 2, 3],
        lambda item: None if item == 2 else item,
        lambda previous, item: agent(f"go on with {previous}"),
    )
