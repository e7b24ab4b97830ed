export const meta = { name: "workflow_unknown", description: "An unknown workflow is an error that names those there are, and that can be caught." };
try {
  await workflow("nope");
} catch (error) {
  return error.message.includes("audit");
}
