export const meta = { name: "step_mcp", description: "An MCP tool is called with its input and gives its result, whatever that is." };
const listed = await mcp("tracker", "list", { open: true });
const pinged = await mcp("tracker", "ping", null, { repeat: true });
try {
  await mcp("tracker", "close", { id: 1 });
} catch (error) {
  return [listed, pinged, error.message];
}
