"""An MCP tool is called with its input and gives its result, whatever that is."""

from tenuto import Meta, mcp

meta = Meta(name="step_mcp", description="A conformance case")


async def main():
    listed = await mcp("tracker", "list", {"open": True})
    pinged = await mcp("tracker", "ping", repeat=True)
    try:
        await mcp("tracker", "close", {"id": 1})
    except RuntimeError as error:
        return [listed, pinged, str(error)]
