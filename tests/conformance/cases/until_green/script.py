"""Failures are mended all at once and the check is run again until it is green."""

from tenuto import Meta, agent, until_green

meta = Meta(name="until_green", description="A conformance case")


async def main():
    done = await until_green("make", lambda failure: agent(failure["text"]))
    return {"passed": done["passed"], "rounds": done["rounds"], "reason": done["reason"], "left": len(done["failures"])}
