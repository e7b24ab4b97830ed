export const meta = { name: "lock_released", description: "A lock is given back when its function throws, and a plain function's value is the lock's." };
let message = "not thrown";
try {
  await lock("a", () => agent("bad"));
} catch (error) {
  message = error.message;
}
return [message, await lock("a", () => 7), await lock("a", () => agent("after"))];
