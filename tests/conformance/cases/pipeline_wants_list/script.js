export const meta = { name: "pipeline_wants_list", description: "pipeline given something else than a list fails with a TypeError." };
return await pipeline("abc", (item) => item);
