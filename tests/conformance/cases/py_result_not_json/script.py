"""A result that is no JSON fails the run, and says what it is."""

from tenuto import Meta

meta = Meta(name="py_result_not_json", description="A conformance case")


async def main():
    return {"seen": {1, 2}}
