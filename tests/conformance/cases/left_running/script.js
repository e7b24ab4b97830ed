export const meta = { name: "left_running", description: "A call that nobody waits for any more does not hold up the result." };
const winner = await Promise.race([agent("slow"), agent("quick")]);
return winner;
