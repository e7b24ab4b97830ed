export const meta = { name: "stuck", description: "A script that waits with nothing under way fails as stuck." };
await agent("one");
await new Promise(() => {});
