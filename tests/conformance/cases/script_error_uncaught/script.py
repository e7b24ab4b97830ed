"""An error of the script's own fails the run with kind script, its message and its line."""

from tenuto import Meta, agent

meta = Meta(name="script_error_uncaught", description="A conformance case")


async def main():
    plan = await agent("plan")
    broken(plan)


def broken(value: str):
    raise ValueError(f"cannot use {value}")
