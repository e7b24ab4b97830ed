export const meta = { name: "pipeline_edges", description: "pipeline without items gives an empty list, and without stages the items." };
return [await pipeline([], (item) => agent(item)), await pipeline([1, { a: 2 }])];
