// Gates, as a JavaScript script sees them. The rules are the run's; a script's own functions are called here.
//
// Leaves `tenutoGates` behind for prelude.js, which takes it away again before a script runs.
globalThis.tenutoGates = function (door) {
  "use strict";
  const { asText, call, log, parallel, reasonOf } = door;
  const ROUNDS = 5;
  const STUCK_ROUNDS = 2;
  const names = new Map(); // a script's checks -> their names: the same function is the same gate

  function whole(name, key, value) {
    if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
    throw new TypeError(`${name}() takes ${key} as a whole number from 1 to 100, not ${asText(value)}`);
  }

  function text(name, what, value) {
    if (typeof value === "string" && value.trim()) return value;
    throw new TypeError(`${name}() takes ${what} as text, not ${asText(value)}`);
  }

  function patterns(name, value) {
    const list = typeof value === "string" ? [value] : value;
    if (Array.isArray(list) && list.every((each) => typeof each === "string")) return list;
    throw new TypeError(`${name}() takes allowChanges as an array of patterns, such as ["tests/**"]`);
  }

  function settings(name, options) {
    const args = {};
    const set = (key, value, convert) => {
      if (value !== undefined && value !== null) args[key] = convert(value);
    };
    set("attempts", options?.attempts, (value) => whole(name, "attempts", value));
    set("hold", options?.hold, (value) => whole(name, "hold", value));
    set("cwd", options?.cwd, (value) => text(name, "cwd", value));
    set("allow_changes", options?.allowChanges, (value) => patterns(name, value));
    set("timeout", options?.timeout, (value) => {
      if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
      throw new TypeError(`${name}() takes timeout as seconds, a number over 0, not ${asText(value)}`);
    });
    return args;
  }

  const camel = (key) => key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

  function camelKeys(value) {
    if (Array.isArray(value)) return value.map(camelKeys);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [camel(key), camelKeys(each)]));
  }

  // Only what says so itself has passed: true, {passed: true}, or a command that ended with 0.
  function saysYes(said) {
    if (said === true) return true;
    return said !== null && typeof said === "object" && (said.passed === true || (!("passed" in said) && said.exitCode === 0));
  }

  async function ask(check) {
    try {
      const said = await check();
      return { passed: saysYes(said), said: said === undefined ? null : said };
    } catch (error) {
      return { passed: false, said: null, error: reasonOf(error) };
    }
  }

  function nameOf(check, label) {
    if (label !== undefined && label !== null) return asText(label);
    if (!names.has(check)) names.set(check, `${check.name || "check"} #${names.size + 1}`);
    return names.get(check);
  }

  async function byFunction(check, options) {
    const { attempts = 1, hold = 1, allow_changes } = settings("gate", options);
    const runs = [];
    let passed = false;
    for (let attempt = 0; attempt < attempts && !passed; attempt++) {
      let inARow = 0;
      while (inARow < hold) {
        const run = await ask(check);
        runs.push(run);
        if (!run.passed) break;
        inARow++;
      }
      passed = inARow === hold;
    }
    const last = runs[runs.length - 1];
    const held = hold > 1 && !passed && runs.some((run) => run.passed) ? `: it did not stay green ${hold} times` : "";
    const why = (last.error ?? `it said ${asText(last.said).slice(0, 300)}`) + held;
    const args = { name: nameOf(check, options?.label), passed, runs: runs.length, reason: why };
    const told = await call("gate", allow_changes === undefined ? args : { ...args, allow_changes });
    return {
      passed: told.passed, reason: told.reason, flaky: told.flaky, evidence: { ...camelKeys(told.evidence ?? {}), runs },
    };
  }

  async function gate(check, options) {
    if (typeof check === "function") return byFunction(check, options);
    const args = { command: text("gate", "a command, or a function that checks,", check), ...settings("gate", options) };
    const { passed, reason, flaky, evidence } = await call("gate", args);
    return { passed, reason, flaky, evidence: camelKeys(evidence) };
  }

  function splitBy(split, seen) {
    const output = [seen.evidence.stdout, seen.evidence.stderr].filter(Boolean).join("\n");
    const found = split(output);
    if (Array.isArray(found)) return found;
    throw new TypeError(`untilGreen() takes a split that returns an array of failures, not ${asText(found)}`);
  }

  async function untilGreen(command, fixer, options) {
    const args = { command: text("untilGreen", "a command", command), ...settings("untilGreen", options), split: true };
    if (typeof fixer !== "function") throw new TypeError("untilGreen() takes a command and a function that mends one failure");
    const most = options?.maxRounds === undefined ? ROUNDS : whole("untilGreen", "maxRounds", options.maxRounds);
    const split = options?.split;
    const before = new Set();
    let fewest = Infinity;
    let stuck = 0;
    for (let rounds = 0; ; rounds++) {
      const seen = await call("gate", args);
      const ended = (reason, failures) => ({
        passed: seen.passed, rounds, reason, flaky: seen.flaky, failures, evidence: camelKeys(seen.evidence),
      });
      if (seen.passed) return ended("green", []);
      // A check that was tampered with is told as that, whatever a split makes of its output.
      const tampered = seen.failures.filter((each) => each.kind === "gate_file" || each.kind === "tests");
      const own = split ? [...tampered, ...(await splitBy(split, seen))] : seen.failures;
      const failures = own.length ? own : seen.failures;
      const signature = split ? asText(failures).replace(/\d+/g, "#") : seen.signature;
      const progress = failures.length < fewest || !before.has(signature);
      before.add(signature);
      fewest = Math.min(fewest, failures.length);
      stuck = progress ? 0 : stuck + 1;
      if (stuck >= STUCK_ROUNDS) return ended("no_progress", failures);
      if (rounds >= most) return ended("rounds", failures);
      log(`untilGreen: round ${rounds + 1}, ${failures.length} failure${failures.length === 1 ? "" : "s"}: ${asText(seen.reason)}`);
      await parallel(failures.map((failure) => () => fixer(failure)));
    }
  }

  return { gate, untilGreen };
};
