export const meta = { name: "failures_listed", description: "failures() lists what has failed so far, with label, phase, kind and message." };
phase("Try");
await parallel([() => agent("hang", { label: "the one" }), () => agent("fine")]);
return failures().map(({ label, phase, kind, message }) => ({ label, phase, kind, message }));
