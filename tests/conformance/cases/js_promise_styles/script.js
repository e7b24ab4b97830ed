export const meta = { name: "js_promise_styles", description: "Promises in every style: then, catch, all, race, allSettled, hand-made semaphores." };
const then = await agent("a").then((text) => text.toUpperCase());
const caught = await agent("hang").catch((error) => `caught ${error.kind}`);
const settled = await Promise.allSettled([agent("hang"), agent("b")]);
let free = 2;
const queue = [];
const take = () => (free > 0 ? (free--, Promise.resolve()) : new Promise((resolve) => queue.push(resolve)));
const give = () => (queue.length ? queue.shift()() : free++);
const limited = await Promise.all(
  [1, 2, 3, 4].map(async (n) => {
    await take();
    try {
      return await agent(`limited ${n}`);
    } finally {
      give();
    }
  }),
);
return [then, caught, settled.map((one) => one.status), limited.length];
