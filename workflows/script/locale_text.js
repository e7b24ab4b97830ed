// Words in the order of a dictionary, and in sentences: `localeCompare`, `Intl.Collator`, `PluralRules`,
// `ListFormat`, `RelativeTimeFormat`. Runs after locale_numbers.js.
//
// The order is that of Unicode's root collation for what scripts sort: blanks, punctuation, symbols, digits, letters;
// accents, then case decide between words that are else the same. A key is built once per text; keys compare as text.
(function () {
  "use strict";
  const PUNCTUATION = "_-,;:!?.'\"()[]{}@*/\\&#%";
  const SYMBOLS = "`^+<=>|~$";
  const LETTERS = {
    ß: "ss\u0338", ẞ: "SS\u0338", æ: "ae\u0338", Æ: "AE\u0338", œ: "oe\u0338", Œ: "OE\u0338",
    ø: "o\u0338", Ø: "O\u0338", đ: "d\u0335", Đ: "D\u0335", ł: "l\u0335", Ł: "L\u0335",
  };
  const KEYS_MAX = 65536;
  const define = (target, name, value) =>
    Object.defineProperty(target, name, { value, writable: true, configurable: true });

  function primary(char) {
    if (/\s/.test(char)) return "\u0001" + char;
    const mark = PUNCTUATION.indexOf(char);
    if (mark >= 0) return "\u0002" + String.fromCharCode(mark + 1);
    if (/\p{P}/u.test(char)) return "\u0003" + char;
    const symbol = SYMBOLS.indexOf(char);
    if (symbol >= 0) return "\u0004" + String.fromCharCode(symbol + 1);
    if (/\p{N}/u.test(char)) return "\u0006" + char;
    return /\p{L}/u.test(char) ? "\u0007" + char.toLowerCase() : "\u0005" + char;
  }

  // Of a character, once and for all: its key, whether it is an accent, a capital, not to be seen, punctuation.
  const seen = new Map();
  function traits(char) {
    let found = seen.get(char);
    if (!found) {
      found = {
        first: primary(char), accent: /\p{M}/u.test(char), upper: char !== char.toLowerCase(),
        hidden: /(?!\s)\p{Cc}/u.test(char), mark: /[\s\p{P}]/u.test(char), digit: char >= "0" && char <= "9",
      };
      seen.set(char, found);
    }
    return found;
  }

  function keyOf(text, { numeric, ignorePunctuation, sensitivity, caseFirst }) {
    const ascii = /^[ -~]*$/.test(text);
    const spelled = ascii ? text : text.replace(/[ßẞæÆœŒøØđĐłŁ]/g, (letter) => LETTERS[letter]).normalize("NFD");
    const capital = caseFirst === "upper";
    let [first, second, third, run] = ["", "", "", ""];
    const endRun = () => {
      const number = run.replace(/^0+(?=.)/, "");
      first += "\u0006" + String.fromCharCode(number.length) + number;
      second += "\u0001";
      third += "\u0001";
      run = "";
    };
    for (const char of spelled) {
      const is = traits(char);
      if (run && !is.digit) endRun();
      if (is.accent) second += char;
      else if (!is.hidden && !(ignorePunctuation && is.mark)) {
        if (numeric && is.digit) {
          run += char;
          continue;
        }
        first += is.first;
        second += "\u0001";
        third += is.upper === capital ? "\u0001" : "\u0002";
      }
    }
    if (run) endRun();
    const levels = { base: [first], accent: [first, second], case: [first, third], variant: [first, second, third] };
    return levels[sensitivity].join("\u0000");
  }

  function Collator(locales, options) {
    if (!new.target) return new Collator(locales, options);
    const [locale = "en-US"] = Intl.getCanonicalLocales(locales);
    const set = {
      locale, usage: options?.usage ?? "sort", sensitivity: options?.sensitivity ?? "variant",
      ignorePunctuation: Boolean(options?.ignorePunctuation), collation: "default",
      numeric: Boolean(options?.numeric ?? /-u(-[a-z\d]+)*-kn(?!-false)/i.test(locale)),
      caseFirst: options?.caseFirst ?? "false",
    };
    if (!["base", "accent", "case", "variant"].includes(set.sensitivity)) {
      throw new RangeError(`Value ${set.sensitivity} out of range for Intl.Collator options property sensitivity`);
    }
    const keys = new Map();
    const key = (text) => {
      let found = keys.get(text);
      if (found === undefined) {
        if (keys.size >= KEYS_MAX) keys.clear();
        keys.set(text, (found = keyOf(text, set)));
      }
      return found;
    };
    this.compare = (a, b) => {
      const [left, right] = [key(String(a)), key(String(b))];
      return left < right ? -1 : left > right ? 1 : 0;
    };
    this.resolvedOptions = () => ({ ...set });
  }
  Collator.supportedLocalesOf = Intl.getCanonicalLocales;

  const collators = new Map();
  define(String.prototype, "localeCompare", function localeCompare(other, locales, options) {
    const { usage, sensitivity, ignorePunctuation, numeric, caseFirst } = options ?? {};
    const name = [locales, usage, sensitivity, ignorePunctuation, numeric, caseFirst].join("|");
    if (!collators.has(name)) collators.set(name, new Collator(locales, options));
    return collators.get(name).compare(String(this), other);
  });

  function PluralRules(locales, options) {
    const ordinal = options?.type === "ordinal";
    this.select = (value) => {
      const n = Math.abs(Number(value));
      if (!ordinal) return n === 1 ? "one" : "other";
      if (n % 100 >= 11 && n % 100 <= 13) return "other";
      return { 1: "one", 2: "two", 3: "few" }[n % 10] ?? "other";
    };
    this.resolvedOptions = () => ({ locale: "en-US", type: ordinal ? "ordinal" : "cardinal" });
  }

  function ListFormat(locales, options) {
    const { type = "conjunction", style = "long" } = options ?? {};
    const and = { long: "and", short: "&", narrow: "" }[style];
    const word = { conjunction: and, disjunction: "or", unit: "" }[type];
    this.format = (items) => {
      const all = [...items].map(String);
      const last = word ? `${word} ` : "";
      if (all.length < 2) return all.join("");
      if (type === "unit" && style === "narrow") return all.join(" ");
      if (all.length === 2) return all.join(last ? ` ${last}` : ", ");
      return `${all.slice(0, -1).join(", ")}, ${last}${all.at(-1)}`;
    };
    this.resolvedOptions = () => ({ locale: "en-US", type, style });
  }

  const NEAR = { day: ["yesterday", "today", "tomorrow"] };
  function RelativeTimeFormat(locales, options) {
    const numeric = options?.numeric ?? "always";
    this.format = (value, unit) => {
      const n = Number(value);
      const name = String(unit).replace(/s$/, "");
      const near = NEAR[name] ?? [`last ${name}`, `this ${name}`, `next ${name}`];
      const exact = /^(second|minute|hour)$/.test(name); // "last minute" would say something else
      const named = exact && n !== 0 ? undefined : name === "second" ? "now" : near[n + 1];
      if (numeric === "auto" && named) return named;
      const past = n < 0 || Object.is(n, -0);
      const size = `${Math.abs(n).toLocaleString()} ${name}${Math.abs(n) === 1 ? "" : "s"}`;
      return past ? `${size} ago` : `in ${size}`;
    };
    this.resolvedOptions = () => ({ locale: "en-US", numeric, style: "long" });
  }

  for (const made of [PluralRules, ListFormat, RelativeTimeFormat]) made.supportedLocalesOf = Intl.getCanonicalLocales;
  for (const made of [Collator, PluralRules, ListFormat, RelativeTimeFormat]) define(Intl, made.name, made);
})();
