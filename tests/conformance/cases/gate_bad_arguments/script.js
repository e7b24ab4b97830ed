export const meta = { name: "gate_bad_arguments", description: "What is no check, no fixer or no number is told at once, and nothing is run." };
const wrong = [() => gate(1), () => gate(""), () => gate("x", { hold: 0 }), () => gate("x", { allowChanges: 1 }), () => untilGreen("x"), () => untilGreen("x", String, { maxRounds: 1.5 })];
let thrown = 0;
for (const call of wrong) {
  try {
    await call();
  } catch (error) {
    if (error instanceof TypeError && error.message.length > 20) thrown++;
  }
}
return thrown;
