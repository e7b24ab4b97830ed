// Reviews and quality patterns, as a JavaScript script sees them. What they do is done outside, once for both dialects;
// only what takes a function of the script lives here.
//
// Leaves `tenutoReviews` behind for prelude.js, which takes it away again before a script runs.
globalThis.tenutoReviews = function (door) {
  "use strict";
  const { asText, call, log } = door;

  const asIs = (value) => value;
  const AGENT = { model: asText, effort: asText };

  // Options that were given, under their names on the wire; null is "not given", as undefined is.
  function given(options, forms) {
    const args = {};
    for (const [key, convert] of Object.entries(forms)) {
      const value = options?.[key] ?? undefined;
      if (value !== undefined) args[key] = convert(value);
    }
    return args;
  }

  function needed(name, what, value) {
    if (value === undefined) throw new TypeError(`${name}() takes ${what}`);
    return value;
  }

  async function review(work, options) {
    const forms = { reviewers: asIs, lenses: asIs, quorum: asIs, rounds: asIs, revise: asText, ...AGENT };
    needed("review", "the work to review: text, or a plain value", work);
    return call("review", { work, ...given(options, forms) });
  }

  async function converge(prompt, options) {
    const forms = { angles: asIs, rounds: asIs, quorum: asIs, schema: asIs, ...AGENT };
    return call("converge", { prompt: asText(prompt), ...given(options, forms) });
  }

  async function vote(prompt, options) {
    return call("vote", { prompt: asText(prompt), ...given(options, { n: asIs, quorum: asIs, schema: asIs, ...AGENT }) });
  }

  async function judge(candidates, options) {
    return call("judge", {
      candidates: needed("judge", "an array of candidates", candidates),
      ...given(options, { criteria: asIs, judges: asIs, ...AGENT }),
    });
  }

  async function critic(result, options) {
    needed("critic", "the result to criticise: text, or a plain value", result);
    return call("critic", { result, ...given(options, { task: asText, ...AGENT }) });
  }

  function sorted(value) {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
  }

  function whole(name, value, otherwise) {
    const count = value ?? otherwise;
    if (Number.isInteger(count) && count >= 1) return count;
    throw new TypeError(`untilDry() takes ${name} as a whole number over 0, not ${asText(count)}`);
  }

  async function untilDry(finder, options) {
    if (typeof finder !== "function") throw new TypeError(`untilDry() takes a function that finds items, not ${typeof finder}`);
    const keyOf = options?.key ?? ((item) => item);
    if (typeof keyOf !== "function") throw new TypeError(`untilDry() takes key as a function, not ${typeof keyOf}`);
    const emptyRounds = whole("emptyRounds", options?.emptyRounds, 2);
    const maxRounds = whole("maxRounds", options?.maxRounds, 20);
    const seen = new Set();
    const items = [];
    let rounds = 0;
    let empty = 0;
    while (rounds < maxRounds && empty < emptyRounds) {
      const found = await finder([...items], ++rounds);
      if (found === null || found === undefined) {
        log(`untilDry: round ${rounds} gave nothing to go by; it does not count as empty`);
        continue;
      }
      if (!Array.isArray(found)) {
        throw new TypeError(`untilDry() wants an array from its function, not ${typeof found}: ${asText(found).slice(0, 80)}`);
      }
      const before = items.length;
      for (const item of found) {
        const key = JSON.stringify(sorted(keyOf(item))) ?? "undefined";
        if (seen.has(key)) continue;
        seen.add(key);
        items.push(item);
      }
      empty = items.length === before ? empty + 1 : 0;
    }
    return { items, rounds, dry: empty >= emptyRounds };
  }

  return { review, converge, vote, judge, critic, untilDry };
};
