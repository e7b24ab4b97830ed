"""print goes to the log, by lines, in its place among the log lines."""

from tenuto import Meta, agent, log

meta = Meta(name="py_print", description="A conformance case")


async def main():
    print("one", end="")
    print(" two\nthree")
    log("[1, 2]")
    await agent("x")
    print("four")
    print("five", end="")
