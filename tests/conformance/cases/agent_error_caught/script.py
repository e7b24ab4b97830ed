"""An agent that stalled, or never met its schema, throws where it was called, and can be caught."""

from tenuto import Meta, agent

meta = Meta(name="agent_error_caught", description="A conformance case")


async def main():
    try:
        await agent("hang")
    except RuntimeError as error:
        return {"message": str(error), "again": await agent("plan b")}
    return "not thrown"
