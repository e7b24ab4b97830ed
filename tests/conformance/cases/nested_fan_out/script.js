export const meta = { name: "nested_fan_out", description: "parallel inside a pipeline stage: fan-out by item, each at its own pace." };
const reports = await pipeline(
  ["a", "b"],
  (item) => agent(`list ${item}`),
  async (list, item) => {
    const checks = await parallel(list.map((entry) => () => agent(`check ${item}:${entry}`)));
    return { item, checks: checks.filter(Boolean).length };
  },
);
return reports;
