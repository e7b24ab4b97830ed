// Waiting for people and for events outside, as a JavaScript script sees it.
//
// Leaves `tenutoPeople` behind for prelude.js, which takes it away again before a script runs.
globalThis.tenutoPeople = function (door) {
  "use strict";
  const { asText, call } = door;

  function seconds(name, value) {
    if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value;
    throw new TypeError(`${name}() takes timeout as seconds, a number, not ${asText(value)}`);
  }

  async function ask(question, options) {
    if (typeof question !== "string" || !question.trim()) {
      throw new TypeError(`ask() takes a question as text, not ${asText(question)}`);
    }
    const args = { question };
    const choices = options?.options;
    if (choices !== undefined && choices !== null) {
      if (!Array.isArray(choices) || !choices.length) {
        throw new TypeError(`ask() takes options as an array of answers, not ${asText(choices)}`);
      }
      args.options = choices;
    }
    if (options?.default !== undefined) args.default = options.default;
    if (options?.timeout !== undefined && options?.timeout !== null) args.timeout = seconds("ask", options.timeout);
    return call("ask", args);
  }

  async function waitFor(name, options) {
    if (typeof name !== "string" || !name) throw new TypeError(`waitFor() takes the name of an event, not ${asText(name)}`);
    const timeout = options?.timeout ?? undefined;
    return call("wait_for", timeout === undefined ? { name } : { name, timeout: seconds("waitFor", timeout) });
  }

  return { ask, waitFor };
};
