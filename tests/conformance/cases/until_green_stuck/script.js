export const meta = { name: "until_green_stuck", description: "Two rounds without progress end it, and so do the rounds that were allowed." };
const outcomes = [];
for (const command of ["same", "other"]) {
  const done = await untilGreen(command, (failure) => agent(failure.file), { maxRounds: command === "same" ? 9 : 2 });
  outcomes.push([done.passed, done.rounds, done.reason, done.failures.length]);
}
return outcomes;
