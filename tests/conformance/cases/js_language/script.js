export const meta = { name: "js_language", description: "The language features that real scripts use." };
const input = typeof args === "string" ? JSON.parse(args) : args ?? {};
const { limit = 3, ...rest } = input;
const found = "v1.2 and v3.4".matchAll(/v(?<major>\d+)\.(?<minor>\d+)/gu);
const versions = [...found].map(({ groups: { major, minor } }) => [Number(major), Number(minor)]);
const sorted = [3, 1, 2].toSorted((a, b) => a - b);
let hits = 0;
outer: for (const row of [[1, 2], [3, 4]]) {
  for (const cell of row) {
    if (cell === 3) break outer;
    hits += cell;
  }
}
const owns = Object.hasOwn({ a: 1 }, "a");
const grouped = Object.groupBy(["ab", "c", "de"], (text) => text.length);
class Tally {
  #counts = new Map();
  add(key) {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return this;
  }
  get top() {
    return [...this.#counts].at(-1);
  }
}
function* letters() {
  yield* ["x", "y"];
}
const label = `${"a-b-c".replaceAll("-", "+")}:${"ü".normalize("NFD").length}`;
return {
  limit, rest, versions, sorted, hits, owns, grouped, label,
  top: new Tally().add("k").add("k").top, spread: [...letters()], deep: input?.missing?.deeper ?? "none",
  big: String(2n ** 70n), set: [...new Set([1, 1, 2])], sum: [1, 2, 3].reduce((a, b) => a + b, 0),
};
