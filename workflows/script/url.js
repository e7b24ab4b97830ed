// `URL` and `URLSearchParams`, as far as scripts use them: taking addresses apart and putting them together.
// Not here: international host names (a host is only put in lower case), setters of single parts, blob and file rules.
(function () {
  "use strict";
  const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21" };
  const PARTS = /^([a-z][a-z0-9+.-]*:)?(?:\/\/(?:([^/?#@]*)@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?)?([^?#]*)(\?[^#]*)?(#.*)?$/i;

  // Leaves what is escaped already, escapes the rest.
  const escaped = (text) => text.replace(/[^\x21\x23-\x3b\x3d\x3f-\x5f\x61-\x7a\x7c\x7e]+/gu, encodeURIComponent);
  const formText = (text) => encodeURIComponent(text).replace(/%20/g, "+").replace(/[!'()~]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  const formValue = (text) => {
    const spaced = text.replaceAll("+", " ");
    try {
      return decodeURIComponent(spaced);
    } catch {
      return spaced; // a stray per cent sign stands for itself
    }
  };

  function withoutDots(path) {
    const out = [];
    const segments = path.split("/");
    segments.forEach((segment, i) => {
      const last = i === segments.length - 1;
      if (segment === "..") {
        if (out.length > 1) out.pop();
        if (last) out.push("");
      } else if (segment !== "." || last) {
        out.push(segment === "." ? "" : segment);
      }
    });
    return out.join("/");
  }

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};

    constructor(init = "", changed) {
      if (typeof init === "string") {
        const parts = init.replace(/^\?/, "").split("&").filter(Boolean);
        this.#pairs = parts.map((part) => {
          const [, key, value = ""] = /^([^=]*)=?(.*)$/s.exec(part);
          return [formValue(key), formValue(value)];
        });
      } else {
        const pairs = typeof init[Symbol.iterator] === "function" ? [...init] : Object.entries(init);
        this.#pairs = pairs.map(([key, value]) => [String(key), String(value)]);
      }
      if (changed) this.#changed = changed;
    }
    get size() {
      return this.#pairs.length;
    }
    get(key) {
      return this.#pairs.find(([name]) => name === String(key))?.[1] ?? null;
    }
    getAll(key) {
      return this.#pairs.filter(([name]) => name === String(key)).map(([, value]) => value);
    }
    has(key) {
      return this.#pairs.some(([name]) => name === String(key));
    }
    append(key, value) {
      this.#pairs.push([String(key), String(value)]);
      this.#changed();
    }
    set(key, value) {
      const at = this.#pairs.findIndex(([name]) => name === String(key));
      const others = this.#pairs.filter(([name], i) => name !== String(key) || i === at);
      if (at < 0) others.push([String(key), String(value)]);
      else others[at] = [String(key), String(value)];
      this.#pairs = others;
      this.#changed();
    }
    delete(key) {
      this.#pairs = this.#pairs.filter(([name]) => name !== String(key));
      this.#changed();
    }
    sort() {
      this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#changed();
    }
    forEach(visit) {
      this.#pairs.forEach(([key, value]) => visit(value, key, this));
    }
    keys() {
      return this.#pairs.map(([key]) => key).values();
    }
    values() {
      return this.#pairs.map(([, value]) => value).values();
    }
    entries() {
      return this.#pairs.map((pair) => [...pair]).values();
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return this.#pairs.map(([key, value]) => `${formText(key)}=${formText(value)}`).join("&");
    }
  }

  class URL {
    constructor(address, base) {
      const [, scheme, credentials, host, port, path, query, fragment] = PARTS.exec(String(address).trim()) ?? [];
      const from = scheme === undefined && base !== undefined ? new URL(base) : null;
      if (scheme === undefined && from === null) throw new TypeError(`Invalid URL: ${address}`);
      this.protocol = from ? from.protocol : scheme.toLowerCase();
      const special = this.protocol in PORTS;
      const own = host !== undefined || from === null;
      if (special && own && !host) throw new TypeError(`Invalid URL: ${address}`);
      [this.username, this.password] = own ? [...(credentials ?? "").split(":"), "", ""] : [from.username, from.password];
      this.hostname = own ? (special ? (host ?? "").toLowerCase() : (host ?? "")) : from.hostname;
      this.port = own ? (port === PORTS[this.protocol] ? "" : (port ?? "")) : from.port;
      this.pathname = URL.#path(path ?? "", own ? null : from, special);
      this.hash = fragment && fragment !== "#" ? escaped(fragment) : "";
      const inherited = from && !own && !path && query === undefined ? from.search : query;
      this.search = inherited && inherited !== "?" ? escaped(inherited) : "";
      const params = new URLSearchParams(this.search, () => (this.search = params.size ? `?${params}` : ""));
      Object.defineProperty(this, "searchParams", { value: params });
    }
    static #path(path, from, special) {
      if (from && !path.startsWith("/")) {
        path = path ? from.pathname.replace(/[^/]*$/, "") + path : from.pathname;
      }
      if (special && !path.startsWith("/")) path = `/${path}`;
      return path.startsWith("/") ? escaped(withoutDots(path)) : escaped(path);
    }
    get host() {
      return this.hostname + (this.port ? `:${this.port}` : "");
    }
    get origin() {
      return this.protocol in PORTS ? `${this.protocol}//${this.host}` : "null";
    }
    get href() {
      const secret = this.password ? `:${this.password}` : "";
      const who = this.username || secret ? `${this.username}${secret}@` : "";
      const authority = this.hostname || this.protocol in PORTS ? `//${who}${this.host}` : "";
      return this.protocol + authority + this.pathname + this.search + this.hash;
    }
    toString() {
      return this.href;
    }
    toJSON() {
      return this.href;
    }
    static canParse(address, base) {
      try {
        return Boolean(new URL(address, base));
      } catch {
        return false;
      }
    }
    static parse(address, base) {
      return URL.canParse(address, base) ? new URL(address, base) : null;
    }
  }

  for (const [name, value] of [["URL", URL], ["URLSearchParams", URLSearchParams]]) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
})();
