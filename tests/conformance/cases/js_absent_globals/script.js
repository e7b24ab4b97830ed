export const meta = { name: "js_absent_globals", description: "What would reach outside, or differ on replay, is absent." };
return ["fetch", "process", "require", "Buffer", "crypto", "setInterval", "performance", "Atomics", "WeakRef"]
  .filter((name) => name in globalThis);
