"""parallel given promises instead of functions is a TypeError that says how to wrap them."""

from typing import Any

from tenuto import Meta, parallel

meta = Meta(name="parallel_wants_functions", description="A conformance case")


async def main():
    plain: Any = "already text"
    return await parallel([plain])
