export const meta = { name: "parallel_item_limit", description: "One call of parallel or pipeline takes at most 4,096 items." };
const items = Array.from({ length: 4097 }, (_, i) => i);
const messages = [];
for (const call of [() => parallel(items.map((i) => () => i)), () => pipeline(items, (i) => i)]) {
  try {
    await call();
  } catch (error) {
    messages.push(error.message.includes("4096"));
  }
}
return { messages, allowed: (await parallel(items.slice(1).map((i) => () => i))).length };
