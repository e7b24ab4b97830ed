"""A prompt that is not text is turned into one, and an empty prompt runs."""

from tenuto import Meta, agent

meta = Meta(name="agent_prompt_as_text", description="A conformance case")


async def main():
    return [await agent(""), await agent(42), await agent({"a": [1, 2]})]
