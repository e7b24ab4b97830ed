export const meta = { name: "agent_lost", description: "A skipped agent and a terminal API error are null in JavaScript and raise in Python; both are failures." };
const skipped = await agent("skipped");
const dead = await agent("dead");
return { skipped, dead, kinds: failures().map((failure) => failure.kind) };
