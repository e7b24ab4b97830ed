"""A failed check that nothing catches fails the run, at the line of the call."""

from tenuto import Meta, read, sh

meta = Meta(name="step_sh_check_uncaught", description="A conformance case")


async def main():
    await read("a.txt")
    await sh("make", check=True)
