"""A script may give its own things the names of the API; they shadow it."""

from tenuto import Meta, agent

meta = Meta(name="shadowed_names", description="A conformance case")


async def main():
    review = {"log": "mine"}
    return [review["log"], judge(1), await agent("still there")]


def judge(phase: int):
    log = phase
    log += 1
    return log
