"""phase and log are kept in order; log takes any value."""

from tenuto import Meta, agent, log, phase

meta = Meta(name="phase_and_log", description="A conformance case")


async def main():
    phase("Find")
    log("looking")
    await agent("x")
    phase("Check")
    log({"found": [1, 2]})
    log(3)
    return "done"
