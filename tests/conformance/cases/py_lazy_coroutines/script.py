"""A coroutine is lazy: nothing starts before it is awaited."""

from tenuto import Meta, agent

meta = Meta(name="py_lazy_coroutines", description="A conformance case")


async def main():
    first = agent("a")
    second = await agent("b")
    return [second, await first]
