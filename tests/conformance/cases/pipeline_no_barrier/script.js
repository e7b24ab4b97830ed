export const meta = { name: "pipeline_no_barrier", description: "In pipeline an item moves to its next stage as soon as it is through one, without waiting for the others." };
const results = await pipeline(
  ["slow", "quick"],
  (item) => agent(`find ${item}`),
  (found, item) => agent(`check ${item}`),
);
return results;
