// What a JavaScript script sees, and the one door through which the child process drives it.
//
// Evaluates to `host(text, body)`: `text` is JSON, `body` the compiled script at the first call; without arguments it
// returns, as JSON text, what the script did since. Only JSON text crosses: raw strings are cut at NUL by the binding.
(function () {
  "use strict";
  const { parse, stringify } = JSON;
  const NativeDate = Date;
  const OutOfMemory = InternalError; // the engine's own class
  const stepFunctions = globalThis.tenutoSteps; // from steps.js
  const gateFunctions = globalThis.tenutoGates; // from gates.js
  delete globalThis.tenutoSteps;
  const reviewFunctions = globalThis.tenutoReviews; // from reviews.js
  delete globalThis.tenutoReviews;
  delete globalThis.tenutoGates;
  const peopleFunctions = globalThis.tenutoPeople; // from people.js
  delete globalThis.tenutoPeople;
  const ITEMS_MAX = 4096;
  // Lines up to this one belong to this file; the script is compiled below them, so a line tells whose a frame is.
  const OWN_LINES = 1000;

  let now = 0;
  let clockSeen = false; // since the last report
  let budgetNow = { total: null, spent: 0, usd_total: null, usd_spent: 0 };
  const failureList = [];
  const waiting = new Map(); // call id -> {resolve, reject, site}
  const timers = new Map(); // call id -> function to run
  const kinds = new WeakMap(); // our own errors -> their kind
  let nextId = 1;
  let events = []; // JSON texts
  let ended = null; // JSON text, once the script has returned or thrown

  // ------------------------------------------------------------------------------------------------- text

  function asText(value) {
    if (typeof value === "string") return value;
    if (typeof value !== "object" || value === null || value instanceof Error) return String(value);
    try {
      return stringify(value) ?? String(value);
    } catch {
      return Object.prototype.toString.call(value); // a cycle, or a BigInt inside
    }
  }

  function reasonOf(error) {
    return error instanceof Error ? String(error.message || error.name) : asText(error);
  }

  // `    at verify (<input>:1012:5)` -> {where: "verify", line: 12, column: 5}
  function framesOf(error) {
    const stack = error instanceof Error ? String(error.stack ?? "") : "";
    return [...stack.matchAll(/^ *at (?:(.*?) \()?<input>:(\d+):(\d+)\)?$/gm)]
      .map(([, where, line, column]) => ({ where, line: Number(line) - OWN_LINES, column: Number(column) }))
      .filter((frame) => frame.line > 0);
  }

  // ------------------------------------------------------------------------------------------------ calls

  function say(event) {
    if (ended === null) events.push(stringify(event));
  }

  function send(op, args) {
    const text = stringify({ id: nextId, op, args });
    if (ended === null) events.push(text);
    return nextId++;
  }

  function call(op, args) {
    const site = new Error(); // keeps the line of the call: an error that arrives later has no frame of the script
    return new Promise((resolve, reject) => {
      waiting.set(send(op, args), { resolve, reject, site });
    });
  }

  function callError({ name, kind, message }, site) {
    const error = new Error(message);
    for (const [key, value] of [["name", name], ["kind", kind], ["stack", site.stack]]) {
      Object.defineProperty(error, key, { value, writable: true, configurable: true });
    }
    kinds.set(error, kind);
    return error;
  }

  function settle([id, outcome]) {
    const timer = timers.get(id);
    timers.delete(id);
    if (timer) timer();
    const call = waiting.get(id);
    waiting.delete(id);
    if (!call) return; // a timer, or one that was cleared
    if (!outcome.error) call.resolve(outcome.value);
    else if (outcome.error.lost) call.resolve(null);
    else call.reject(callError(outcome.error, call.site));
  }

  // ------------------------------------------------------------------------------------------- public API

  const AGENT_OPTIONS = [
    ["label", "label", asText],
    ["phase", "phase", asText],
    ["schema", "schema"],
    ["model", "model", asText],
    ["effort", "effort", asText],
    ["isolation", "isolation", asText],
    ["agentType", "agent_type", asText],
    ["stallMs", "stall_ms"],
    ["tools", "tools"],
    ["context", "context"],
    ["inputs", "inputs"],
    ["maxUsd", "max_usd"],
    ["timeout", "timeout"],
    ["merge", "merge", asText],
  ];

  function agent(prompt, options) {
    const args = { prompt: asText(prompt) };
    for (const [key, name, convert] of AGENT_OPTIONS) {
      const value = options?.[key] ?? undefined; // null is "not given", as undefined is
      if (value !== undefined) args[name] = convert ? convert(value) : value;
    }
    return call("agent", args);
  }

  function checkItems(name, items, reason) {
    if (!Array.isArray(items)) throw new TypeError(`${name}() takes an array ${reason}, not ${typeof items}`);
    if (items.length > ITEMS_MAX) {
      throw new RangeError(`${name}() takes at most ${ITEMS_MAX} items, not ${items.length}`);
    }
  }

  async function attempt(label, run) {
    try {
      return await run();
    } catch (error) {
      log(`${label} failed: ${reasonOf(error)}`);
      return null;
    }
  }

  async function parallel(calls) {
    checkItems("parallel", calls, "of functions");
    const thunks = Array.from(calls);
    thunks.forEach((thunk, i) => {
      if (typeof thunk === "function") return;
      const what = thunk instanceof Promise ? "a promise" : thunk === null ? "null" : typeof thunk;
      throw new TypeError(`parallel() takes functions, but item ${i} is ${what}: wrap calls as () => agent(...)`);
    });
    return Promise.all(thunks.map((thunk, i) => attempt(`parallel[${i}]`, () => thunk())));
  }

  async function pipeline(items, ...stages) {
    checkItems("pipeline", items, "of items");
    stages.forEach((stage, i) => {
      if (typeof stage !== "function") throw new TypeError(`pipeline() stage ${i + 1} is not a function`);
    });
    const run = async (item, index) => {
      let value = item;
      for (const stage of stages) {
        value = await stage(value, item, index);
        if (value === null) return null;
      }
      return value;
    };
    return Promise.all(Array.from(items).map((item, i) => attempt(`pipeline[${i}]`, () => run(item, i))));
  }

  function phase(title) {
    say({ phase: asText(title) });
  }

  function log(...values) {
    say({ log: values.map(asText).join(" ") });
  }

  async function workflow(ref, args) {
    const target = typeof ref === "string" ? { name: ref } : {};
    if (typeof ref?.scriptPath === "string") target.script_path = ref.scriptPath;
    else if (typeof ref?.name === "string") target.name = ref.name;
    if (!Object.keys(target).length) throw new TypeError("workflow() takes a name or {scriptPath: '…'}");
    if (args !== undefined) target.args = args;
    return call("workflow", target);
  }

  async function sleep(seconds) {
    const wait = Number(seconds);
    if (!Number.isFinite(wait)) throw new TypeError(`sleep() takes seconds, not ${asText(seconds)}`);
    await call("sleep", { seconds: Math.max(0, wait) });
  }

  function setTimeout(run, delayMs = 0, ...rest) {
    if (typeof run !== "function") throw new TypeError("setTimeout() takes a function");
    const wait = Number(delayMs);
    const id = send("sleep", { seconds: wait > 0 && Number.isFinite(wait) ? wait / 1000 : 0 });
    timers.set(id, () => void attempt("setTimeout callback", () => run(...rest)));
    return id;
  }

  function clearTimeout(id) {
    if (timers.delete(id)) say({ cleared: id });
  }

  function meter(total, spent) {
    return {
      get total() {
        return budgetNow[total] ?? null;
      },
      spent: () => budgetNow[spent],
      remaining: () => (budgetNow[total] == null ? Infinity : Math.max(0, budgetNow[total] - budgetNow[spent])),
    };
  }

  const budget = Object.defineProperties(meter("total", "spent"), {
    usd: { value: meter("usd_total", "usd_spent"), enumerable: true },
  });

  const consoleLike = {};
  for (const name of ["log", "info", "warn", "error", "debug", "trace", "dir", "table", "group"]) consoleLike[name] = log;
  for (const name of ["groupEnd", "time", "timeEnd", "count", "clear"]) consoleLike[name] = () => {};
  consoleLike.assert = (held, ...values) => void (held || log("Assertion failed:", ...values));

  // --------------------------------------------------------------------------------- clock and randomness

  function seconds() {
    clockSeen = true;
    return now;
  }

  function WorkflowDate(...parts) {
    if (!new.target) return new WorkflowDate().toString();
    return Reflect.construct(NativeDate, parts.length ? parts : [nowMs()], new.target);
  }

  function nowMs() {
    return Math.floor(seconds() * 1000);
  }

  function installClock() {
    Object.defineProperty(WorkflowDate, "name", { value: "Date" });
    WorkflowDate.prototype = NativeDate.prototype;
    WorkflowDate.prototype.constructor = WorkflowDate;
    WorkflowDate.now = nowMs;
    WorkflowDate.parse = NativeDate.parse;
    WorkflowDate.UTC = NativeDate.UTC;
  }

  // sfc32, seeded by FNV-1a over the seed's text: small, fast, and the same on every machine.
  function randomFrom(seed) {
    const state = [0, 1, 2, 3].map((lane) => {
      let hash = 0x811c9dc5 ^ lane;
      for (const char of seed) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193) >>> 0;
      return hash;
    });
    const next = () => {
      let [a, b, c, counter] = state;
      const mixed = (a + b + counter) | 0;
      state[3] = (counter + 1) | 0;
      state[0] = b ^ (b >>> 9);
      state[1] = (c + (c << 3)) | 0;
      state[2] = (((c << 21) | (c >>> 11)) + mixed) | 0;
      return mixed >>> 0;
    };
    for (let i = 0; i < 16; i++) next();
    return () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  }

  // ------------------------------------------------------------------------------------------------- door

  // A second clock, and what lets a script see the collector or block its thread, would make a replay differ.
  const REMOVED = ["performance", "WeakRef", "FinalizationRegistry", "Atomics", "SharedArrayBuffer"];

  function install({ args, seed }) {
    for (const name of REMOVED) delete globalThis[name];
    installClock();
    Math.random = randomFrom(seed);
    const api = {
      agent, parallel, pipeline, phase, log, args, budget, workflow, sleep, setTimeout, clearTimeout,
      ...stepFunctions({ asText, call, say }),
      ...reviewFunctions({ asText, call, log }),
      ...peopleFunctions({ asText, call }),
      ...gateFunctions({ asText, call, log, parallel, reasonOf }),
      failures: () => parse(stringify(failureList)),
      now: seconds,
      console: consoleLike,
      Date: WorkflowDate,
    };
    for (const [name, value] of Object.entries(api)) {
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
    }
  }

  function finish(value) {
    try {
      ended = `{"value":${stringify(value) ?? "null"}}`;
    } catch (error) {
      fail(new TypeError(`the script's result is not JSON: ${reasonOf(error)}`));
    }
  }

  // Error objects may be hostile, and memory may be short: whatever happens here, the script has ended.
  function fail(error) {
    try {
      ended = describe(error);
    } catch {
      ended = '{"failed":"an error that cannot be shown","kind":"script","line":null,"frames":[],"bare":true,"memory":false}';
    }
  }

  function describe(error) {
    const frames = framesOf(error);
    const kind = (error instanceof Error && kinds.get(error)) || null;
    return stringify({
      failed: kind ? error.message : asText(error),
      kind: kind ?? "script",
      line: frames[0]?.line ?? null,
      frames: frames.map(({ where, line, column }) => `    at ${where ?? "<script>"} (line ${line}:${column})`),
      // The engine throws `null` where there is no memory left for an error.
      bare: error === null,
      memory: error instanceof OutOfMemory && error.message === "out of memory",
    });
  }

  return function host(text, body) {
    if (text === undefined) {
      // Joined, not added up: the binding does not know the ropes that the engine makes of sums.
      const done = ['{"events":[', events.join(","), '],"ended":', ended ?? "null", "}"].join("");
      events = [];
      return done;
    }
    if (text === "ended?") return ended !== null;
    if (text === "clock?") return clockSeen;
    const message = parse(text);
    now = message.now;
    clockSeen = false;
    budgetNow = message.budget;
    failureList.push(...message.failures);
    if (body) {
      install(message);
      body().then(finish, fail);
    } else {
      message.outcomes.forEach(settle);
    }
    return true;
  };
})();
