export const meta = { name: "step_sh_check_uncaught", description: "A failed check that nothing catches fails the run, at the line of the call." };
await read("a.txt");
await sh("make", { check: true });
