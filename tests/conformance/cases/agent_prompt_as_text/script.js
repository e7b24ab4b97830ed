export const meta = { name: "agent_prompt_as_text", description: "A prompt that is not text is turned into one, and an empty prompt runs." };
return [await agent(""), await agent(42), await agent({ a: [1, 2] })];
