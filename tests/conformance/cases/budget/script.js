export const meta = { name: "budget", description: "budget says what is set, spent and left, in output tokens and in dollars, as of the current step." };
const before = { total: budget.total, spent: budget.spent(), remaining: budget.remaining() };
await agent("costly");
const after = [budget.spent(), budget.remaining()];
return { before, after, usd: [budget.usd.total, budget.usd.spent(), budget.usd.remaining()] };
