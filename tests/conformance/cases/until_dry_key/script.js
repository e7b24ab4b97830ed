export const meta = { name: "until_dry_key", description: "What makes two items the same may be a key; the most rounds are said not to be dry; the function may take less." };
let n = 0;
const keyed = await untilDry(() => [{ id: 1, n: ++n }], { key: (item) => item.id, emptyRounds: 1 });
const cut = await untilDry((found) => [found.length], { maxRounds: 3 });
const orders = [[{ a: 1, b: 2 }], [{ b: 2, a: 1 }]];
return [keyed, cut, await untilDry(() => orders.shift(), { emptyRounds: 1 })];
