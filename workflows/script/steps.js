// Steps without a model, as a JavaScript script sees them: each is one call, checked here where the script can see why.
//
// Leaves `tenutoSteps` behind for prelude.js, which takes it away again before a script runs.
globalThis.tenutoSteps = function (door) {
  "use strict";
  const { asText, call, say } = door;
  const { stringify } = JSON; // a script may replace what it sees
  const ARGUMENT_MAX = 24_000_000;

  function kindOf(value) {
    return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  }

  function text(name, what, value, hint = "") {
    if (typeof value === "string") return bounded(name, what, value);
    throw new TypeError(`${name}() takes ${what} as text, not ${kindOf(value)}${hint}`);
  }

  function bounded(name, what, value) {
    if (value.length <= ARGUMENT_MAX) return value;
    throw new RangeError(`${name}() takes at most ${ARGUMENT_MAX} characters as ${what}, not ${value.length}`);
  }

  function seconds(value) {
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw new TypeError(`sh() takes timeout as seconds, a number over 0, not ${asText(value)}`);
  }

  function variables(value) {
    if (typeof value !== "object" || Array.isArray(value)) {
      throw new TypeError(`sh() takes env as an object of texts, not ${kindOf(value)}`);
    }
    const set = Object.entries(value).filter(([, each]) => each !== undefined && each !== null);
    return Object.fromEntries(set.map(([key, each]) => [key, bounded("sh", `env.${key}`, asText(each))]));
  }

  // Options that were given, under their names on the wire; null is "not given", as undefined is.
  function given(options, forms) {
    const args = {};
    for (const [key, convert] of Object.entries(forms)) {
      const value = options?.[key] ?? undefined;
      const sent = value === undefined ? undefined : convert(value);
      if (sent !== undefined) args[key] = sent;
    }
    return args;
  }

  const flag = (value) => (value ? true : undefined);

  async function sh(command, options) {
    const done = await call("sh", {
      command: text("sh", "a command", command),
      ...given(options, {
        cwd: (value) => text("sh", "cwd", value),
        timeout: seconds,
        env: variables,
        check: flag,
        repeat: (value) => (value ? undefined : false),
      }),
    });
    const { exit_code: exitCode, duration_s: durationS, ended_by: endedBy, stdout, stderr, log } = done;
    return { exitCode, stdout, stderr, durationS, log, ...(endedBy ? { endedBy } : {}) };
  }

  async function read(path) {
    return call("read", { path: text("read", "a path", path) });
  }

  async function write(path, content) {
    const hint = "; JSON.stringify(value) turns a value into text";
    await call("write", { path: text("write", "a path", path), text: text("write", "the content", content, hint) });
  }

  async function glob(pattern) {
    return call("glob", { pattern: text("glob", "a pattern", pattern) });
  }

  async function grep(pattern, files) {
    const source = pattern instanceof RegExp ? withFlags(pattern) : text("grep", "a pattern", pattern);
    return call("grep", { pattern: source, ...given({ glob: files }, { glob: (value) => text("grep", "glob", value) }) });
  }

  function withFlags({ source, flags }) {
    return flags.includes("i") ? `(?i)${source}` : source;
  }

  async function lock(name, thunk) {
    if (typeof thunk !== "function") {
      throw new TypeError(`lock() takes a name and a function, not ${kindOf(thunk)}: lock("${asText(name)}", async () => …)`);
    }
    const key = text("lock", "a name", name);
    await call("lock", { name: key });
    try {
      return await thunk();
    } finally {
      say({ unlock: key });
    }
  }

  async function mcp(server, tool, input, options) {
    const args = { server: text("mcp", "a server", server), tool: text("mcp", "a tool", tool) };
    if (input !== undefined && input !== null) {
      if (typeof input !== "object" || Array.isArray(input)) {
        throw new TypeError(`mcp() takes the tool's input as an object, not ${kindOf(input)}`);
      }
      bounded("mcp", "the tool's input", stringify(input));
      args.input = input;
    }
    return call("mcp", { ...args, ...given(options, { repeat: flag }) });
  }

  async function pullRequest(request) {
    const args = {};
    for (const key of ["branch", "title", "body"]) args[key] = text("pullRequest", key, request?.[key]);
    return call("pull_request", {
      ...args,
      ...given(request, { base: (value) => text("pullRequest", "base", value), draft: flag }),
    });
  }

  return { sh, read, write, glob, grep, lock, mcp, pullRequest };
};
