export const meta = { name: "agent_error_caught", description: "An agent that stalled, or never met its schema, throws where it was called, and can be caught." };
try {
  await agent("hang");
} catch (error) {
  return { message: error.message, again: await agent("plan b") };
}
return "not thrown";
