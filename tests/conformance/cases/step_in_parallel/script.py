"""Steps run side by side with agents; one that fails leaves an empty slot and a log line."""

from tenuto import Meta, agent, parallel, read, sh

meta = Meta(name="step_in_parallel", description="A conformance case")


async def main():
    return await parallel([lint(), read("gone"), agent("look")])


async def lint():
    return (await sh("lint"))["stdout"]
