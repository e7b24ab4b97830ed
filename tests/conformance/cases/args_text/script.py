"""args that are text stay text, even where the text is JSON."""

from tenuto import Meta

meta = Meta(name="args_text", description="A conformance case")


async def main(args):
    return [type(args).__name__, args]
