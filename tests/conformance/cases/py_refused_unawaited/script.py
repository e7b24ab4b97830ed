"""An agent call that nobody awaits is refused."""

from tenuto import Meta, agent

meta = Meta(name="py_refused_unawaited", description="A conformance case")


async def main():
    agent("x")  # pyright: ignore[reportUnusedCoroutine]
