// Sends each request through the Durable Object that owns the backend, like Cloudflare Containers.

import { DurableObject } from "cloudflare:workers";
import { prepareForOrigin } from "headers.js";

export default {
  fetch(request, env) {
    return env.BACKEND.getByName("backend").fetch(request);
  },
};

export class Backend extends DurableObject {
  fetch(request) {
    const url = new URL(request.url);
    const outgoing = new Request(this.env.ORIGIN + url.pathname + url.search, request);
    prepareForOrigin(outgoing.headers, url);
    return fetch(outgoing);
  }
}
