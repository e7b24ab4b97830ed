export const meta = { name: "until_green_split", description: "A script's own split makes the failures; what was done to the check itself stays one of them." };
const mend = (failure) => agent(failure.text ?? failure);
const done = await untilGreen("make", mend, { split: (output) => output.split("\n") });
return [done.passed, done.rounds];
