"""Arguments of another shape are a TypeError where the step is called, and start nothing."""

from typing import Any

from tenuto import Meta, lock, mcp, pull_request, read, sh, write

meta = Meta(name="step_bad_arguments", description="A conformance case")


async def main():
    ask: Any = None
    number: Any = 1
    calls = [
        lambda: sh(number),
        lambda: read(ask),
        lambda: write("a.json", number),
        lambda: lock("a", ask),
        lambda: mcp("s", "t", number),
        lambda: pull_request(branch="b", title=ask, body="c"),
        lambda: sh("ls", timeout=-1),
    ]
    said = []
    for call in calls:
        try:
            await call()
        except TypeError as error:
            said.append(str(error))
    return [message.split("(")[0] if i < 6 else message for i, message in enumerate(said)]
