export const meta = { name: "pipeline_stage_arguments", description: "A stage gets what the one before it gave, and the item." };
return await pipeline(
  ["a", "b"],
  (item) => item + 1,
  async (previous, item) => `${previous}/${item}`,
  (previous, item) => [previous, item],
);
