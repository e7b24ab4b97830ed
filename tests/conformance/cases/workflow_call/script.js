export const meta = { name: "workflow_call", description: "workflow runs a saved workflow by name or path, with arguments, and gives its result." };
return [
  await workflow("audit", { depth: 2 }),
  await workflow({ scriptPath: "flows/other.js" }),
];
