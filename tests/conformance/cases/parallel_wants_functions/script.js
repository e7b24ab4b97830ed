export const meta = { name: "parallel_wants_functions", description: "parallel given promises instead of functions is a TypeError that says how to wrap them." };
return await parallel([agent("already started")]);
