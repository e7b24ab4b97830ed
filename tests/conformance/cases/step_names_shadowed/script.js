export const meta = { name: "step_names_shadowed", description: "A script may give its own things the names of steps; they shadow them." };
async function shadowed() {
  const read = (path) => `mine: ${path}`;
  const glob = ["y"], lock = 3;
  return [read("x"), glob, lock];
}
return [...(await shadowed()), await read("kept.txt")];
