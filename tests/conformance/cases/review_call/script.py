"""A review takes its work and its options under one name, and gives its result as a plain value."""

from tenuto import Meta, review

meta = Meta(name="review_call", description="A conformance case")


async def main():
    return await review(
        "the work",
        reviewers=3,
        lenses=["a", "b", "c"],
        quorum=2,
        rounds=4,
        revise="Mend it.",
        model="haiku",
        effort="low",
    )
