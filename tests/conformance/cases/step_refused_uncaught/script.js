export const meta = { name: "step_refused_uncaught", description: "A step's error that nothing catches fails the run with the step's own kind." };
await read("gone.txt");
