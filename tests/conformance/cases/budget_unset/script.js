export const meta = { name: "budget_unset", description: "Without a total there is no end of it: remaining() is infinite." };
return [budget.total, budget.spent(), budget.remaining() === Infinity, budget.usd.remaining() === Infinity];
