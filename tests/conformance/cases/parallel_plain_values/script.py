"""A function given to parallel may return a plain value; no functions give an empty list."""

from tenuto import Meta, parallel

meta = Meta(name="parallel_plain_values", description="A conformance case")


async def main():
    return [await parallel([]), await parallel([lambda: 1, nested, lambda: None])]


async def nested():
    return {"a": [2]}
