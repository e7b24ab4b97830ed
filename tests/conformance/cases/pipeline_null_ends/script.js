export const meta = { name: "pipeline_null_ends", description: "A stage that comes to null ends its item with null; the stages after it do not see it." };
return await pipeline(
  [1, 2, 3],
  (item) => (item === 2 ? null : item),
  (previous) => agent(`go on with ${previous}`),
);
