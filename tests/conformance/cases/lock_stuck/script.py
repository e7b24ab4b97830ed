"""A lock that is taken again inside itself can never be had: the script is stuck, not waiting for ever."""

from tenuto import Meta, lock

meta = Meta(name="lock_stuck", description="A conformance case")


async def main():
    return await lock("a", lambda: lock("a", lambda: 1))
