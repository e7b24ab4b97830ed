"""Two rounds without progress end it, and so do the rounds that were allowed."""

from tenuto import Meta, agent, until_green

meta = Meta(name="until_green_stuck", description="A conformance case")


async def main():
    outcomes = []
    for command, rounds in (("same", 9), ("other", 2)):
        done = await until_green(command, lambda failure: agent(failure["file"]), max_rounds=rounds)
        outcomes.append([done["passed"], done["rounds"], done["reason"], len(done["failures"])])
    return outcomes
