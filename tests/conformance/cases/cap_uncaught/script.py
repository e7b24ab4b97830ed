"""The call past the agent cap throws; uncaught, it fails the run with the cap's own message."""

from tenuto import Meta, agent

meta = Meta(name="cap_uncaught", description="A conformance case")


async def main():
    await agent("one")
    await agent("two")
    await agent("three")
    return "unreachable"
