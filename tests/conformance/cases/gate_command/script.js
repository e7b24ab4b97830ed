export const meta = { name: "gate_command", description: "A gate gives whether the check passed, why not, and its evidence; its options arrive under one name." };
const seen = await gate("npm test", { attempts: 3, hold: 2, cwd: "a", timeout: 60, allowChanges: ["tests/**"] });
return [seen, (await gate("make")).passed];
