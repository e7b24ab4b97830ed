export const meta = { name: "step_refused", description: "A step that the policy refuses, or that leaves the workspace, throws; the run goes on when it is caught." };
const caught = [];
for (const step of [() => sh("curl x"), () => read("../x")]) {
  try {
    await step();
  } catch (error) {
    caught.push([error.kind, error.message]);
  }
}
return [...caught, failures()];
