export const meta = { name: "lock_abandoned", description: "A lock whose waiter lost a race is still taken in its turn, and given back." };
const first = lock("a", () => agent("slow"));
const second = lock("a", () => log("late"));
const won = await Promise.race([second, agent("quick")]);
await first;
return [won, await lock("a", () => agent("last"))];
