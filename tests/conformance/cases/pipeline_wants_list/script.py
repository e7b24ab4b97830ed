"""pipeline given something else than a list fails with a TypeError."""

from tenuto import Meta, pipeline

meta = Meta(name="pipeline_wants_list", description="A conformance case")


async def main():
    return await pipeline("abc", lambda item: item)
