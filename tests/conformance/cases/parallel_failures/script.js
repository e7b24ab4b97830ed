export const meta = { name: "parallel_failures", description: "In parallel a failed call, a throw after an await and a synchronous throw each leave null and a log line." };
return await parallel([
  () => agent("fine"),
  () => agent("hang"),
  async () => {
    await agent("first");
    throw new Error("late");
  },
  () => {
    throw new Error("early");
  },
]);
