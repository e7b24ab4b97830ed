"""args given as null are null."""

from tenuto import Meta

meta = Meta(name="args_null", description="A conformance case")


async def main(args):
    return args is None
