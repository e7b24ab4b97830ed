"""A script's own split makes the failures; what was done to the check itself stays one of them."""

from tenuto import Meta, agent, until_green

meta = Meta(name="until_green_split", description="A conformance case")


async def mend(failure):
    return await agent(failure["text"] if isinstance(failure, dict) else failure)


async def main():
    done = await until_green("make", mend, split=lambda output: output.split("\n"))
    return [done["passed"], done["rounds"]]
