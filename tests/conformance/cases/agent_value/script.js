export const meta = { name: "agent_value", description: "An agent call resolves to the agent's text, and to the object where a schema was given." };
const text = await agent("say hello");
const data = await agent("count", { schema: { type: "object", properties: { n: { type: "integer" } } } });
return { text, n: data.n };
