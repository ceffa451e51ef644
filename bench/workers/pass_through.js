// The minimum of a proxy in JavaScript: forwards the whole request by fetch().

import { prepareForOrigin } from "headers.js";

export default {
  fetch(request, env) {
    const url = new URL(request.url);
    const outgoing = new Request(env.ORIGIN + url.pathname + url.search, request);
    prepareForOrigin(outgoing.headers, url);
    return fetch(outgoing);
  },
};
