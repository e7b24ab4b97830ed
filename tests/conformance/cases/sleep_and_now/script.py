"""sleep takes workflow time, and now() says which it is, in Unix seconds."""

from tenuto import Meta, now, sleep

meta = Meta(name="sleep_and_now", description="A conformance case")


async def main():
    before = now()
    await sleep(90)
    return now() - before
