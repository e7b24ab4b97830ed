export const meta = { name: "until_green", description: "Failures are mended all at once and the check is run again until it is green." };
const done = await untilGreen("make", (failure) => agent(failure.text));
return { passed: done.passed, rounds: done.rounds, reason: done.reason, left: done.failures.length };
