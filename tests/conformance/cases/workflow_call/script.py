"""workflow runs a saved workflow by name or path, with arguments, and gives its result."""

from tenuto import Meta, workflow

meta = Meta(name="workflow_call", description="A conformance case")


async def main():
    return [await workflow("audit", {"depth": 2}), await workflow({"script_path": "flows/other.js"})]
