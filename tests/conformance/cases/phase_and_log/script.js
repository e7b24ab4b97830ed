export const meta = { name: "phase_and_log", description: "phase and log are kept in order; log takes any value." };
phase("Find");
log("looking");
await agent("x");
phase("Check");
log({ found: [1, 2] });
log(3);
return "done";
