"""Class inheritance is refused with its line."""

from tenuto import Meta

meta = Meta(name="py_refused_inheritance", description="A conformance case")


class Broken(Exception):
    pass


async def main():
    raise Broken
