"""A gate gives whether the check passed, why not, and its evidence; its options arrive under one name."""

from tenuto import Meta, gate

meta = Meta(name="gate_command", description="A conformance case")


async def main():
    seen = await gate("npm test", attempts=3, hold=2, cwd="a", timeout=60, allow_changes=["tests/**"])
    return [seen, (await gate("make"))["passed"]]
