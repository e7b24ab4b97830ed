export const meta = { name: "step_pull_request", description: "A pull request is opened for a branch; without a forge the result says so." };
const first = await pullRequest({ branch: "fix-1", title: "Fix", body: "Because", base: "main", draft: true });
return [first, (await pullRequest({ branch: "fix-2", title: "T", body: "B" })).url];
