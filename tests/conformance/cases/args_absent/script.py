"""args are undefined in JavaScript, None in Python, where none were given."""

from tenuto import Meta

meta = Meta(name="args_absent", description="A conformance case")


async def main(args):
    return [type(args).__name__, args is None]
