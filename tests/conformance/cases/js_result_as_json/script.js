export const meta = { name: "js_result_as_json", description: "The result is JSON: undefined and functions go as in JSON.stringify." };
return { a: undefined, f: () => 1, n: NaN, d: new Date(0), list: [undefined, () => 1], s: "nul\0 \u2028 ü 😀" };
