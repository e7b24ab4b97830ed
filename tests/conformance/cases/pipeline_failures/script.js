export const meta = { name: "pipeline_failures", description: "A stage that throws leaves null in its slot, skips the stages after it and is logged." };
return await pipeline(
  ["ok", "bad"],
  (item) => agent(item),
  (previous, item) => {
    if (item === "bad") throw new Error("no use");
    return previous;
  },
  (previous) => [previous],
);
