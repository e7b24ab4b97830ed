"""A skipped agent and a terminal API error are null in JavaScript and raise in Python; both are failures."""

from tenuto import Meta, agent, failures

meta = Meta(name="agent_lost", description="A conformance case")


async def main():
    skipped = await outcome("skipped")
    dead = await outcome("dead")
    return {"skipped": skipped, "dead": dead, "kinds": [failure["kind"] for failure in failures()]}


async def outcome(prompt: str):
    try:
        return await agent(prompt)
    except RuntimeError as error:
        return str(error)
