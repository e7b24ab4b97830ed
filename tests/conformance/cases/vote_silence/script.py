"""Agents that died do not vote: fewer answers than the quorum verify nothing, and no answer with enough is disputed."""

from tenuto import Meta, vote

meta = Meta(name="vote_silence", description="A conformance case")


async def main():
    asked = [await vote("q"), await vote("r"), await vote("s"), await vote("t", n=3, quorum=3)]
    return [[each["verdict"], each["value"], each["live"]] for each in asked]
