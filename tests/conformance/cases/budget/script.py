"""budget says what is set, spent and left, in output tokens and in dollars, as of the current step."""

from tenuto import Meta, agent, budget

meta = Meta(name="budget", description="A conformance case")


async def main():
    before = {"total": budget.total, "spent": budget.spent(), "remaining": budget.remaining()}
    await agent("costly")
    after = [budget.spent(), budget.remaining()]
    return {"before": before, "after": after, "usd": [budget.usd.total, budget.usd.spent(), budget.usd.remaining()]}
