export const meta = { name: "parallel_plain_values", description: "A function given to parallel may return a plain value; no functions give an empty list." };
return [await parallel([]), await parallel([() => 1, async () => ({ a: [2] }), () => null])];
