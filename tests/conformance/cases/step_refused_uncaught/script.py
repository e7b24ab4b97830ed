"""A step's error that nothing catches fails the run with the step's own kind."""

from tenuto import Meta, read

meta = Meta(name="step_refused_uncaught", description="A conformance case")


async def main():
    await read("gone.txt")
