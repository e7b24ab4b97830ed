export const meta = { name: "agent_unknown_option", description: "JavaScript ignores an option that it does not know, as the original does." };
return await agent("go", { colour: "red", isolation: undefined, label: null });
