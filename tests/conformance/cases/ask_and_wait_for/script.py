"""A question gives its answer, an event its payload; options arrive under one name."""

from tenuto import Meta, ask, wait_for

meta = Meta(name="ask_and_wait_for", description="A conformance case")


async def main():
    said = await ask("Ship it?", options=["yes", "no"], default="no", timeout=60)
    event = await wait_for("deploy", timeout=5)
    try:
        await ask("Why?")
    except RuntimeError as error:
        return [said, event, str(error).startswith("timeout")]
