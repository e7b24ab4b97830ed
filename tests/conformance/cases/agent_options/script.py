"""The options of an agent call arrive under one name in both dialects; those not given are absent."""

from tenuto import Meta, agent

meta = Meta(name="agent_options", description="A conformance case")


async def main():
    await agent(
        "all",
        label="L",
        phase="P",
        model="haiku",
        effort="low",
        isolation="worktree",
        agent_type="reviewer",
        stall_ms=1000,
        tools=["Read"],
        context=["a.md"],
        inputs=["b.md"],
        max_usd=0.5,
        timeout=60,
        merge="queue",
    )
    await agent("none")
