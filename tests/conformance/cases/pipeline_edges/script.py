"""pipeline without items gives an empty list, and without stages the items."""

from tenuto import Meta, agent, pipeline

meta = Meta(name="pipeline_edges", description="A conformance case")


async def main():
    return [await pipeline([], agent), await pipeline([1, {"a": 2}])]
