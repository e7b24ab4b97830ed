"""A script may give its own things the names of steps; they shadow them."""

from tenuto import Meta, read

meta = Meta(name="step_names_shadowed", description="A conformance case")


async def main():
    return [*shadowed(), await read("kept.txt")]


def shadowed():
    sh = "mine: x"
    glob = ["y"]
    lock = 3
    return [sh, glob, lock]
