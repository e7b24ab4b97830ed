"""An agent call resolves to the agent's text, and to the object where a schema was given."""

from tenuto import Meta, agent

meta = Meta(name="agent_value", description="A conformance case")


async def main():
    text = await agent("say hello")
    data = await agent("count", schema={"type": "object", "properties": {"n": {"type": "integer"}}})
    return {"text": text, "n": data["n"]}
