export const meta = { name: "script_error_uncaught", description: "An error of the script's own fails the run with kind script, its message and its line." };
const plan = await agent("plan");

function broken(value) {
  throw new Error(`cannot use ${value}`);
}
broken(plan);
