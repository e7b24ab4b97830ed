// Numbers as people write them: `Intl.NumberFormat` and `toLocaleString`. QuickJS has no `Intl`, scripts use it.
//
// English of the United States unless the locale says otherwise; of other languages the separators are known, and the
// place of the currency. The digits are those of ICU: halves are rounded up, from the shortest decimal text.
(function () {
  "use strict";
  const Intl = Object.defineProperty({}, Symbol.toStringTag, { value: "Intl", configurable: true });
  Object.defineProperty(globalThis, "Intl", { value: Intl, writable: true, configurable: true });

  // Between thousands, before the fraction; after the bar the languages.
  const MARKS = [
    [".", ",", "da de el es id it nl pt tr vi"],
    ["\u00a0", ",", "bg cs fi hu nb no pl pt-PT ru sk sv uk"],
    ["\u202f", ",", "fr"],
    ["’", ".", "de-CH"],
    [",", ".", "es-MX es-US en"],
  ];
  const FOUR_DIGITS_JOINED = new Set(["es", "it", "pl", "pt-PT"]); // 1234, and 12.345
  const SYMBOLS = {
    USD: "$", EUR: "€", GBP: "£", JPY: "¥", CNY: "CN¥", INR: "₹", KRW: "₩", BRL: "R$", CAD: "CA$", AUD: "A$",
    MXN: "MX$",
  };
  const NO_CENTS = new Set(["JPY", "KRW", "VND", "CLP", "ISK"]);
  const COMPACT = [["", ""], ["K", " thousand"], ["M", " million"], ["B", " billion"], ["T", " trillion"]];

  function tag(locales) {
    const first = Array.isArray(locales) ? locales[0] : locales;
    if (first === undefined) return "en-US";
    if (typeof first !== "string" || !/^[a-z]{2,8}(-[a-z\d]{1,8})*$/i.test(first)) {
      throw new RangeError(`Incorrect locale information provided: ${String(first)}`);
    }
    return first;
  }

  function marksOf(locale) {
    for (const name of [locale, locale.split("-")[0]]) {
      const found = MARKS.find(([, , names]) => names.split(" ").includes(name));
      if (found) return [found[0], found[1], FOUR_DIGITS_JOINED.has(name)];
    }
    return [",", ".", false];
  }

  // The whole part and `keep` digits of the fraction; a negative `keep` clears digits of the whole part.
  function digits(value, keep) {
    const [mantissa, exponent = "0"] = String(value).replace(/^-/, "").split("e");
    const [whole, fraction = ""] = mantissa.split(".");
    const point = whole.length + Number(exponent);
    const all = ("0".repeat(Math.max(0, -point)) + whole + fraction).padEnd(point, "0");
    const at = Math.max(0, point);
    if (keep < 0) {
      const unit = 10n ** BigInt(-keep);
      return [String(((BigInt(all.slice(0, at) || 0) + unit / 2n) / unit) * unit), ""];
    }
    const kept = BigInt(all.slice(0, at) + all.slice(at, at + keep).padEnd(keep, "0") || 0);
    const text = String(kept + (all.charAt(at + keep) >= "5" ? 1n : 0n)).padStart(keep + 1, "0");
    return [text.slice(0, text.length - keep), text.slice(text.length - keep)];
  }

  function bounded(options, name, least, most, fallback) {
    const value = options[name];
    if (value === undefined) return fallback;
    if (!(value >= least && value <= most)) throw new RangeError(`${name} value is out of range.`);
    return Math.floor(value);
  }

  function settled(locales, options = {}) {
    const style = options.style ?? "decimal";
    if (!["decimal", "percent", "currency", "unit"].includes(style)) {
      throw new RangeError(`Value ${style} out of range for Intl.NumberFormat options property style`);
    }
    if (style === "currency" && options.currency === undefined) throw new TypeError("Currency code is required");
    const currency = style === "currency" ? String(options.currency).toUpperCase() : undefined;
    const compact = options.notation === "compact";
    const cents = NO_CENTS.has(currency) ? 0 : 2;
    const usual = { currency: compact ? [0, 0] : [cents, cents], percent: [0, 0] }[style] ?? [0, compact ? 0 : 3];
    const most = bounded(options, "maximumFractionDigits", 0, 100);
    const least = bounded(options, "minimumFractionDigits", 0, most ?? 100, Math.min(usual[0], most ?? 100));
    const significant = (options.minimumSignificantDigits ?? options.maximumSignificantDigits) !== undefined;
    return {
      locale: tag(locales), numberingSystem: "latn", style, currency, unit: options.unit,
      currencyDisplay: options.currencyDisplay ?? "symbol", unitDisplay: options.unitDisplay ?? "short",
      minimumIntegerDigits: bounded(options, "minimumIntegerDigits", 1, 21, 1),
      minimumFractionDigits: least, maximumFractionDigits: most ?? Math.max(least, usual[1]),
      minimumSignificantDigits: bounded(options, "minimumSignificantDigits", 1, 21),
      maximumSignificantDigits: bounded(options, "maximumSignificantDigits", 1, 21),
      useGrouping: options.useGrouping ?? true, notation: options.notation ?? "standard",
      compactDisplay: options.compactDisplay ?? "short", signDisplay: options.signDisplay ?? "auto",
      rounding: significant ? "significant" : most === undefined && least === 0 && compact ? "compact" : "digits",
    };
  }

  // The whole part and the fraction, rounded as the options say.
  function plain(size, set) {
    const tens = tensOf(size);
    const [least, most] = set.rounding === "compact"
      ? [1, Math.max(2, tens + 1)]
      : [set.minimumSignificantDigits ?? 1, set.maximumSignificantDigits ?? 21];
    if (set.rounding === "digits") {
      const [whole, fraction] = digits(size, set.maximumFractionDigits);
      return [whole.padStart(set.minimumIntegerDigits, "0"), trimmed(fraction, set.minimumFractionDigits)];
    }
    const [whole, fraction] = digits(size, most - 1 - tens);
    const first = whole !== "0" ? whole.length - 1 : -1 - Math.max(-1, fraction.search(/[1-9]/)); // it may have carried
    const cut = fraction.slice(0, Math.max(0, most - 1 - first));
    return [whole.padStart(set.minimumIntegerDigits, "0"), trimmed(cut, Math.max(0, least - 1 - first))];
  }

  // The power of ten of the first digit.
  function tensOf(size) {
    return Number(Number(size).toExponential().split("e")[1]);
  }

  function trimmed(fraction, least) {
    return fraction.replace(/0+$/, "").padEnd(least, "0");
  }

  function grouped(whole, set) {
    const [mark, , joined] = marksOf(set.locale);
    const most = set.useGrouping === "min2" || joined || set.notation === "compact" ? 4 : 3;
    if (set.useGrouping === false || set.useGrouping === "false" || whole.length <= most) return whole;
    const lakhs = /^(hi|[a-z]{2,3}-IN)\b/.test(set.locale);
    return whole.replace(lakhs ? /\B(?=(\d\d)*\d{3}$)/g : /\B(?=(\d{3})+$)/g, mark);
  }

  function signOf(value, isZero, display) {
    const negative = value < 0 || Object.is(value, -0);
    if (display === "never" || (isZero && display === "exceptZero")) return "";
    if (negative) return isZero && display === "negative" ? "" : "-";
    return display === "always" || display === "exceptZero" ? "+" : "";
  }

  function format(given, set) {
    const value = typeof given === "bigint" ? given : Number(given);
    let size = value < 0 ? -value : value;
    if (Number.isNaN(value)) return dressed("NaN", "", set);
    if (size === Infinity) return dressed("∞", signOf(value, false, set.signDisplay), set);
    if (set.style === "percent") size = typeof size === "bigint" ? size * 100n : Number(`${size}e2`) || size * 100;
    let suffix = "";
    if (set.notation === "compact") {
      let step = Math.max(0, Math.min(4, Math.floor(tensOf(size) / 3)));
      const scaled = (n) => Number(size) / 1000 ** n;
      if (step < 4 && plain(scaled(step), set)[0].length > 3) step += 1; // 999,999 is 1M
      size = step ? scaled(step) : size;
      suffix = COMPACT[step][set.compactDisplay === "long" ? 1 : 0];
    }
    const [whole, fraction] = plain(size, set);
    const sign = signOf(value, /^0*$/.test(whole + fraction), set.signDisplay);
    return dressed(grouped(whole, set) + (fraction && marksOf(set.locale)[1] + fraction) + suffix, sign, set);
  }

  function dressed(text, sign, set) {
    const after = marksOf(set.locale)[1] === ","; // where the fraction has a comma, signs stand behind
    if (set.style === "percent") {
      return `${sign}${text}${after && !/^(it|pl|pt|tr|nl|id)/.test(set.locale) ? "\u00a0" : ""}%`;
    }
    if (set.style === "unit") {
      return `${sign}${text} ${set.unit}${set.unitDisplay === "long" && text !== "1" ? "s" : ""}`;
    }
    if (set.style !== "currency") return sign + text;
    if (set.currencyDisplay === "name") return `${sign}${text} ${set.currency}`;
    const symbol = set.currencyDisplay === "code" ? set.currency : SYMBOLS[set.currency] ?? set.currency;
    const shown = set.currencyDisplay === "narrowSymbol" ? symbol.replace(/^[A-Z]+(?=[^A-Z])/, "") : symbol;
    if (after && !/^(pt-BR|pt$|nl|tr|da$)/.test(set.locale)) return `${sign}${text}\u00a0${shown}`;
    return `${sign}${shown}${after || /[A-Z]$/.test(shown) ? "\u00a0" : ""}${text}`;
  }

  function NumberFormat(locales, options) {
    if (!new.target) return new NumberFormat(locales, options);
    const set = settled(locales, options ?? {});
    this.format = (value) => format(value, set);
    this.formatToParts = (value) => [{ type: "literal", value: format(value, set) }];
    this.resolvedOptions = () => {
      const { rounding, ...shown } = set;
      return shown;
    };
  }
  NumberFormat.supportedLocalesOf = (locales) => [locales ?? []].flat().map(tag);

  const define = (target, name, value) =>
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  define(Intl, "NumberFormat", NumberFormat);
  define(Intl, "getCanonicalLocales", NumberFormat.supportedLocalesOf);
  define(Number.prototype, "toLocaleString", function toLocaleString(locales, options) {
    return format(Number.prototype.valueOf.call(this), settled(locales, options ?? {}));
  });
  define(BigInt.prototype, "toLocaleString", function toLocaleString(locales, options) {
    return format(BigInt.prototype.valueOf.call(this), settled(locales, options ?? {}));
  });
})();
