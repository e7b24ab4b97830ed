export const meta = { name: "lock_stuck", description: "A lock that is taken again inside itself can never be had: the script is stuck, not waiting for ever." };
return await lock("a", () => lock("a", () => 1));
