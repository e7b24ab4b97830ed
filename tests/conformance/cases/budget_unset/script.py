"""Without a total there is no end of it: remaining() is infinite."""

from tenuto import Meta, budget

meta = Meta(name="budget_unset", description="A conformance case")


async def main():
    infinite = float("inf")
    return [budget.total, budget.spent(), budget.remaining() == infinite, budget.usd.remaining() == infinite]
