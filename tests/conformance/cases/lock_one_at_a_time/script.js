export const meta = { name: "lock_one_at_a_time", description: "One holder at a time, first come first served; other locks are free meanwhile." };
const held = (name, id) => lock(name, async () => {
  log(`in ${id}`);
  const value = await agent(id);
  log(`out ${id}`);
  return value;
});
return await parallel([() => held("a", "a 1"), () => held("a", "a 2"), () => held("a", "a 3"), () => held("b", "b 1")]);
