// Dates as people write them: `Intl.DateTimeFormat` and `toLocale…String` of `Date`. Runs after locale_numbers.js.
//
// Names are English, the time zone is UTC, as everywhere in a run; of other locales the order of day, month and year is
// known, and that most have no "AM". Another time zone is refused: an hour that is wrong would go unnoticed.
(function () {
  "use strict";
  const MONTHS = "January February March April May June July August September October November December".split(" ");
  const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
  // Order and mark of a date in digits; capitals have two digits at least.
  const ORDERS = [
    ["m/d/y", "en"], ["D/M/y", "en-GB en-AU en-NZ en-IE fr pt it"], ["d/M/y", "en-IN"], ["d/m/y", "es vi"],
    ["d.m.y", "de fi nb no"], ["D.M.y", "ru pl tr uk"], ["d-m-y", "nl"], ["y-M-D", "sv en-CA"], ["y/m/d", "ja zh"],
  ];
  const DATE_STYLES = {
    full: { weekday: "long", month: "long", day: "numeric", year: "numeric" },
    long: { month: "long", day: "numeric", year: "numeric" },
    medium: { month: "short", day: "numeric", year: "numeric" },
    short: { month: "numeric", day: "numeric", year: "2-digit" },
  };
  const TIME = { hour: "numeric", minute: "2-digit", second: "2-digit" };
  const TIME_STYLES = {
    full: { ...TIME, timeZoneName: "short" }, long: { ...TIME, timeZoneName: "short" }, medium: TIME,
    short: { hour: "numeric", minute: "2-digit" },
  };
  const LETTERS = { long: undefined, short: 3, narrow: 1 };
  const DATE_FIELDS = ["weekday", "year", "month", "day"];
  const TIME_FIELDS = ["hour", "minute", "second", "fractionalSecondDigits"];
  const define = (target, name, value) =>
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  const two = (n) => String(n).padStart(2, "0");

  function settled(locales, given, fallback) {
    const options = { ...given };
    const zone = options.timeZone ?? "UTC";
    if (!/^(UTC|GMT|Etc\/(UTC|GMT)|[+]00:00)$/i.test(zone)) {
      throw new RangeError(`a script knows no time zone but UTC, and timeZone is '${zone}': let an agent convert it`);
    }
    if (options.dateStyle || options.timeStyle) {
      Object.assign(options, DATE_STYLES[options.dateStyle], TIME_STYLES[options.timeStyle]);
    } else {
      const asked = { date: DATE_FIELDS, time: TIME_FIELDS }[fallback] ?? [...DATE_FIELDS, ...TIME_FIELDS];
      if (!asked.some((field) => options[field] !== undefined)) {
        if (fallback !== "time") Object.assign(options, { year: "numeric", month: "numeric", day: "numeric" });
        if (fallback === "time" || fallback === "both") Object.assign(options, TIME);
      }
    }
    const [locale = "en-US"] = Intl.getCanonicalLocales(locales);
    const american = /^en(-US)?$/.test(locale);
    const hour12 = options.hour12 ?? (options.hourCycle ? /^h1[12]$/.test(options.hourCycle) : american);
    return { ...options, locale, hour12, american, timeZone: "UTC" };
  }

  function dateText(date, set) {
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    const shownYear = set.year && (set.year === "2-digit" ? two(year % 100) : String(year));
    const weekday = set.weekday && DAYS[date.getUTCDay()].slice(0, LETTERS[set.weekday]);
    const dayText = set.day && (set.day === "2-digit" ? two(day) : String(day));
    if (set.month && !/numeric|2-digit/.test(set.month)) {
      const name = MONTHS[month].slice(0, LETTERS[set.month]);
      const within = (set.american ? [name, dayText] : [dayText, name]).filter(Boolean).join(" ");
      const comma = set.american && dayText ? ", " : " ";
      return [weekday, [within, shownYear].filter(Boolean).join(comma)].filter(Boolean).join(", ");
    }
    const names = [set.locale, set.locale.split("-")[0]];
    const known = names.map((name) => ORDERS.find(([, all]) => all.split(" ").includes(name))).find(Boolean);
    const order = (known ?? ORDERS[0])[0];
    const twoDigits = set.month === "2-digit" || order.includes("M");
    const monthText = set.month && (twoDigits ? two(month + 1) : String(month + 1));
    const parts = { y: shownYear, m: monthText, d: set.day && order.includes("D") ? two(day) : dayText };
    const digits = [...order.matchAll(/[a-z]/gi)].map(([field]) => parts[field.toLowerCase()]).filter(Boolean);
    return [weekday, digits.join(order.replace(/[a-z]/gi, "")[0])].filter(Boolean).join(", ");
  }

  function timeText(date, set) {
    if (!TIME_FIELDS.some((field) => set[field])) return "";
    const hour = date.getUTCHours();
    const shown = set.hour12 ? hour % 12 || 12 : hour;
    const lone = set.hour && !set.minute && !set.second;
    const parts = [
      set.hour && (set.hour === "2-digit" || (!set.hour12 && !lone) ? two(shown) : String(shown)),
      set.minute && (set.hour || set.second ? two(date.getUTCMinutes()) : String(date.getUTCMinutes())),
      set.second && (set.minute ? two(date.getUTCSeconds()) : String(date.getUTCSeconds())),
    ].filter(Boolean);
    const digits = set.fractionalSecondDigits;
    const rest = digits ? `.${String(date.getUTCMilliseconds()).padStart(3, "0").slice(0, digits)}` : "";
    return parts.join(":") + rest + (set.hour && set.hour12 ? (hour < 12 ? " AM" : " PM") : "");
  }

  function format(value, set) {
    const date = new Date(value === undefined ? Date.now() : value);
    if (Number.isNaN(date.getTime())) throw new RangeError("Invalid time value");
    const usual = /^(fr|sv|ja|zh)\b/.test(set.locale) ? " " : ", ";
    const joint = /^(full|long)$/.test(set.dateStyle) ? " at " : usual;
    const text = [dateText(date, set), timeText(date, set)].filter(Boolean).join(joint);
    return set.timeZoneName ? `${text} UTC` : text;
  }

  function DateTimeFormat(locales, options) {
    if (!new.target) return new DateTimeFormat(locales, options);
    const set = settled(locales, options, "all");
    this.format = (value) => format(value, set);
    this.formatToParts = (value) => [{ type: "literal", value: format(value, set) }];
    this.resolvedOptions = () => {
      const { american, ...shown } = set;
      return { ...shown, calendar: "gregory", numberingSystem: "latn" };
    };
  }
  DateTimeFormat.supportedLocalesOf = Intl.getCanonicalLocales;
  define(Intl, "DateTimeFormat", DateTimeFormat);

  const METHODS = { toLocaleString: "both", toLocaleDateString: "date", toLocaleTimeString: "time" };
  for (const [name, fallback] of Object.entries(METHODS)) {
    define(Date.prototype, name, function (locales, options) {
      const time = this.getTime();
      return Number.isNaN(time) ? "Invalid Date" : format(time, settled(locales, options, fallback));
    });
  }
})();
