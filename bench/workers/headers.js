// The header work of a proxy, like vmproxy's: removes the headers of the connection and the
// client's own forwarding headers, and adds those known about the client.

const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
const forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
const withheld = [...hopByHop, ...forwarded];
const notForClient = new Set(hopByHop);

export function prepareForOrigin(headers, url) {
  const named = headers.get("connection");
  if (named) for (const name of named.split(",")) headers.delete(name.trim());
  for (const name of withheld) headers.delete(name);
  headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
  headers.set("x-forwarded-host", url.host);
  const address = headers.get("cf-connecting-ip");
  if (address) headers.set("x-forwarded-for", address);
  headers.set("forwarded", `${address ? `for=${address};` : ""}host="${url.host}";proto=${url.protocol.slice(0, -1)}`);
}

export function isForClient(name) {
  return !notForClient.has(name);
}
