"""An unknown workflow is an error that names those there are, and that can be caught."""

from tenuto import Meta, workflow

meta = Meta(name="workflow_unknown", description="A conformance case")


async def main():
    try:
        await workflow("nope")
    except RuntimeError as error:
        return "audit" in str(error)
