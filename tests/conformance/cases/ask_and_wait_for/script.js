export const meta = { name: "ask_and_wait_for", description: "A question gives its answer, an event its payload; options arrive under one name." };
const said = await ask("Ship it?", { options: ["yes", "no"], default: "no", timeout: 60 });
const event = await waitFor("deploy", { timeout: 5 });
try {
  await ask("Why?");
} catch (error) {
  return [said, event, error.kind === "timeout"];
}
