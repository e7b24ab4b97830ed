export const meta = { name: "parallel_order", description: "parallel is a barrier: all calls run at once and the results come in the order of the calls." };
const results = await parallel(["slow", "quick", "middle"].map((name) => () => agent(name)));
return { results, after: await agent("after") };
