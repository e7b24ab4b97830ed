"""Meta without a description."""

from tenuto import Meta

meta = Meta(name="x")  # pyright: ignore[reportCallIssue]


async def main():
    return 1
