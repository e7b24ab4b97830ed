"""An error that nobody catches fails the run with its kind, and the line of the call."""

from tenuto import Meta, agent, phase

meta = Meta(name="agent_error_uncaught", description="A conformance case")


async def main():
    phase("Only")
    first = await agent("fine")
    await agent("hang")
    return first
