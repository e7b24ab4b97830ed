"""A lock is given back when its function throws, and a plain function's value is the lock's."""

from tenuto import Meta, agent, lock

meta = Meta(name="lock_released", description="A conformance case")


async def main():
    message = "not raised"
    try:
        await lock("a", lambda: agent("bad"))
    except RuntimeError as error:
        message = str(error)
    return [message, await lock("a", lambda: 7), await lock("a", lambda: agent("after"))]
