"""What is no check, no fixer or no number is told at once, and nothing is run."""

from typing import Any

from tenuto import Meta, gate, until_green

meta = Meta(name="gate_bad_arguments", description="A conformance case")


async def main():
    number: Any = 1
    wrong = [
        lambda: gate(number),
        lambda: gate(""),
        lambda: gate("x", hold=0),
        lambda: gate("x", allow_changes=[number]),
        lambda: gate("x", timeout=-1),
        lambda: until_green("x", str, max_rounds=0),
    ]
    thrown = 0
    for call in wrong:
        try:
            await call()
        except TypeError as error:
            thrown += len(str(error)) > 20
    return thrown
