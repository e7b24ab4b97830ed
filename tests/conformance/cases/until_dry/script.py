"""Items are collected until two rounds bring none that is new; a round that could not look is no empty one."""

from tenuto import Meta, agent, until_dry

meta = Meta(name="until_dry", description="A conformance case")


async def find(found: list[str], number: int):
    try:
        looked = await agent(f"look {number}")
    except RuntimeError:
        return None
    return looked["found"]


async def main():
    return await until_dry(find)
