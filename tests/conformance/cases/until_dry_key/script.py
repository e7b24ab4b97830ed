"""What makes two items the same may be a key; the most rounds are said not to be dry; the function may take less."""

from tenuto import Meta, until_dry

meta = Meta(name="until_dry_key", description="A conformance case")


counted = []


async def find():
    counted.append(1)
    return [{"id": 1, "n": len(counted)}]


async def main():
    keyed = await until_dry(find, key=lambda item: item["id"], empty_rounds=1)
    cut = await until_dry(lambda found: [len(found)], max_rounds=3)
    orders = [[{"a": 1, "b": 2}], [{"b": 2, "a": 1}]]
    same = await until_dry(lambda: orders.pop(0), empty_rounds=1)
    return [keyed, cut, same]
