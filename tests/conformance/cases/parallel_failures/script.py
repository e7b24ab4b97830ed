"""In parallel a failed call, a throw after an await and a synchronous throw each leave null and a log line."""

from tenuto import Meta, agent, parallel

meta = Meta(name="parallel_failures", description="A conformance case")


async def main():
    return await parallel([lambda: agent("fine"), lambda: agent("hang"), late, early])


async def late():
    await agent("first")
    raise RuntimeError("late")


def early():
    raise RuntimeError("early")
