export const meta = { name: "js_locale", description: "Words are compared as in a dictionary, and numbers and dates written as people do." };
const sorted = (words, ...how) => words.toSorted((a, b) => a.localeCompare(b, ...how));
const day = new Date(Date.UTC(2026, 0, 5, 13, 4, 9));
let elsewhere = "unnoticed";
try {
  day.toLocaleString("en-US", { timeZone: "Asia/Tokyo" });
} catch (error) {
  elsewhere = error.name;
}
const ending = { one: "st", two: "nd", few: "rd", other: "th" };
return {
  words: sorted(["zoo", "Ant", "bee", "Émile", "emir", "ant", "_lib"]),
  paths: sorted(["srca", "src/a", "src.ts", "src-a", "src_a", "src a"]),
  numeric: sorted(["Step 10", "step 10", "step 2"], "en", { numeric: true }),
  equal: [
    "é".localeCompare("e\u0301"), "Tree".localeCompare("trée", undefined, { sensitivity: "base" }),
    "a".localeCompare("A"), "b".localeCompare("A"),
  ],
  collator: ["b", "á", "a"].sort(new Intl.Collator("en").compare),
  numbers: [
    (1234567.891).toLocaleString(), (0.123).toLocaleString("en-US", { style: "percent" }),
    new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(1234.5),
    Intl.NumberFormat("en", { notation: "compact" }).format(1234), (1234.5).toLocaleString("de-DE"),
    (12345678901234567890n).toLocaleString(),
  ],
  dates: [
    day.toLocaleString(), day.toLocaleDateString("en-US"),
    day.toLocaleDateString("en-US", { month: "short", day: "numeric", year: "numeric" }),
    day.toLocaleDateString("sv-SE"), new Intl.DateTimeFormat("en-US", { dateStyle: "full" }).format(day),
  ],
  zone: [Intl.DateTimeFormat().resolvedOptions().timeZone, elsewhere],
  sentences: [
    new Intl.ListFormat("en").format(["a", "b", "c"]),
    ending[new Intl.PluralRules("en", { type: "ordinal" }).select(23)],
    new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-1, "day"),
  ],
};
