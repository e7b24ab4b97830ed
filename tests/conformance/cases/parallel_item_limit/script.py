"""One call of parallel or pipeline takes at most 4,096 items."""

from tenuto import Meta, parallel, pipeline

meta = Meta(name="parallel_item_limit", description="A conformance case")


async def main():
    items = list(range(4097))
    messages = []
    for call in [lambda: parallel([lambda: 1 for _ in items]), lambda: pipeline(items, lambda i: i)]:
        try:
            await call()
        except ValueError as error:
            messages.append("4096" in str(error))
    return {"messages": messages, "allowed": len(await parallel([lambda: 1 for _ in items[1:]]))}
