export const meta = { name: "agent_error_uncaught", description: "An error that nobody catches fails the run with its kind, and the line of the call." };
phase("Only");
const first = await agent("fine");
await agent("hang");
return first;
