/* Comments and `export const meta = {}` before it are no trouble. */
export const meta = {
  // inside neither
  name: "meta_readable",
  description: 'with `backticks`, "quotes" and \'more\'',
  phases: [{ title: "One", detail: "first" }, { title: "Two" }],
  whenToUse: `a template
of two lines`,
};
return [meta.name, meta.phases.map((phase) => phase.title)];
