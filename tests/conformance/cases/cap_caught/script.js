export const meta = { name: "cap_caught", description: "The cap error has a name that a script can tell it by, and what finished before stays." };
const done = [];
try {
  for (const name of ["a", "b", "c", "d"]) done.push(await agent(name));
} catch (error) {
  return { done: done.length, name: error.name };
}
return "no cap";
