// A WebSocket relay over fetch(): each message passes through JavaScript.

import { prepareForOrigin } from "headers.js";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const outgoing = new Request(env.ORIGIN + url.pathname + url.search, request);
    prepareForOrigin(outgoing.headers, url);
    outgoing.headers.set("upgrade", "websocket");
    const far = (await fetch(outgoing)).webSocket;
    const [client, near] = Object.values(new WebSocketPair());
    relay(far, near);
    relay(near, far);
    far.accept();
    near.accept();
    return new Response(null, { status: 101, webSocket: client });
  },
};

function relay(from, to) {
  from.addEventListener("message", ({ data }) => to.send(data));
  from.addEventListener("close", () => to.close());
}
