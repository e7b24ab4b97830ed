export const meta = { name: "pipeline_undefined_goes_on", description: "In JavaScript a stage that comes to undefined does not end its item." };
return await pipeline([1], () => undefined, (previous) => (previous === undefined ? "went on" : "not"));
