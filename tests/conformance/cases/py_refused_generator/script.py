"""A generator is refused with its line."""

from tenuto import Meta

meta = Meta(name="py_refused_generator", description="A conformance case")


def numbers():
    yield 1


async def main():
    return list(numbers())
