"""What is no question, no list of options or no time is told at once, and nobody is asked."""

from tenuto import Meta, ask, wait_for

meta = Meta(name="ask_bad_arguments", description="A conformance case")


async def main():
    wrong = [lambda: ask(""), lambda: ask("x", options=[]), lambda: ask("x", timeout=-1), lambda: wait_for("")]
    thrown = 0
    for call in wrong:
        try:
            await call()
        except TypeError:
            thrown += 1
    return thrown
