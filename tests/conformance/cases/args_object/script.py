"""args is exactly the JSON value that was given."""

from tenuto import Meta

meta = Meta(name="args_object", description="A conformance case")


async def main(args):
    return {"args": args, "kind": type(args).__name__}
