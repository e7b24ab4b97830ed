export const meta = { name: "agent_options", description: "The options of an agent call arrive under one name in both dialects; those not given are absent." };
await agent("all", {
  label: "L", phase: "P", model: "haiku", effort: "low", isolation: "worktree", agentType: "reviewer", stallMs: 1000,
  tools: ["Read"], context: ["a.md"], inputs: ["b.md"], maxUsd: 0.5, timeout: 60, merge: "queue",
});
await agent("none");
return null;
