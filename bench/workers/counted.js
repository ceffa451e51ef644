// vmproxy unchanged, with counters of Durable Object calls and wasm memory.

import { memories } from "memories.js";
import * as vmproxy from "index.js";

let calls = 0;

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/counts") {
      const wasm = memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
      return Response.json({ calls, wasm });
    }
    return vmproxy.default.fetch(request, env, ctx);
  },
};

export class VmObject {
  #object;

  constructor(state, env) {
    this.#object = new vmproxy.VmObject(state, env);
  }

  fetch(request) {
    calls += 1;
    return this.#object.fetch(request);
  }

  alarm() {
    return this.#object.alarm();
  }
}
