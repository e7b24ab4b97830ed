export const meta = { name: "cap_uncaught", description: "The call past the agent cap throws; uncaught, it fails the run with the cap's own message." };
await agent("one");
await agent("two");
await agent("three");
return "unreachable";
