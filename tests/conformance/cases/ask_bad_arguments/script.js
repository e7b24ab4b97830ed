export const meta = { name: "ask_bad_arguments", description: "What is no question, no list of options or no time is told at once, and nobody is asked." };
const wrong = [() => ask(1), () => ask("x", { options: [] }), () => ask("x", { timeout: "1" }), () => waitFor("")];
let thrown = 0;
for (const call of wrong) {
  try {
    await call();
  } catch (error) {
    if (error instanceof TypeError) thrown++;
  }
}
return thrown;
