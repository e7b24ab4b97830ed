"""JavaScript ignores an option that it does not know, as the original does."""

from tenuto import Meta, agent

meta = Meta(name="agent_unknown_option", description="A conformance case")


async def main():
    return await agent("go", colour="red", isolation=None, label=None)  # pyright: ignore[reportCallIssue]
