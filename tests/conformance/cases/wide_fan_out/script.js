export const meta = { name: "wide_fan_out", description: "A thousand agents in one parallel, all results in their places." };
const results = await parallel(Array.from({ length: 1000 }, (_, i) => () => agent(`item ${i}`)));
return [results.length, results[0], results[999], results.every(Boolean)];
