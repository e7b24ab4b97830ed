export const meta = { name: "same_instant", description: "Calls that end at the same instant are seen in the order in which they were made." };
const order = [];
await parallel([3, 1, 2].map((n) => async () => { order.push(await agent(`n${n}`)); }));
return order;
