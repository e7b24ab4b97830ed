export const meta = { name: "step_bad_arguments", description: "Arguments of another shape are a TypeError where the step is called, and start nothing." };
const wrong = [
  () => sh(["ls"]), () => read(undefined), () => write("a.json", { a: 1 }), () => lock("a", Promise.resolve()), () => mcp("s", "t", [1]),
  () => pullRequest({ branch: "b" }), () => sh("ls", { timeout: -1 }),
];
const said = [];
for (const call of wrong) {
  try {
    await call();
  } catch (error) {
    said.push(error instanceof TypeError ? error.message : String(error));
  }
}
return said.map((message, i) => (i < 6 ? message.split("(")[0] : message));
