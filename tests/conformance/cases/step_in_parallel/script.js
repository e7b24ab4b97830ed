export const meta = { name: "step_in_parallel", description: "Steps run side by side with agents; one that fails leaves an empty slot and a log line." };
return await parallel([async () => (await sh("lint")).stdout, () => read("gone"), () => agent("look")]);
