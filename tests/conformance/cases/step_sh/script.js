export const meta = { name: "step_sh", description: "A command gives its exit code, its output and how long it took; its options arrive under one name." };
const options = { cwd: "packages/a", timeout: 90, env: { CI: "1", N: 2, GONE: undefined }, repeat: false, unknown: 1 };
return [await sh("npm test", options), await sh("sleep 9", { check: false })];
