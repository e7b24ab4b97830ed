export const meta = { name: "js_url", description: "URL takes an address apart, as real scripts expect." };
const url = new URL("../b/c d?x=1&y=a%20b#part", "HTTPS://User:pw@Example.com:8443/a/z/");
const plain = new URL("https://example.com");
plain.searchParams.set("q", "a b&c");
return [
  url.href, url.host, url.pathname, url.searchParams.get("y"), url.hash, url.origin, plain.href, URL.canParse("no"),
];
