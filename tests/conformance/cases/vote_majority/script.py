"""A vote takes the answer of more than half; texts that differ in case and punctuation only are equal."""

from tenuto import Meta, vote

meta = Meta(name="vote_majority", description="A conformance case")


async def main():
    return [await vote("2+2?", model="haiku")]
