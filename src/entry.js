// The Worker's entry: hands over what Cloudflare calls it with to the program in WebAssembly.
//
// `program` is what wasm-bindgen generates of the Rust crate; `tools/bundler` tells esbuild where it is.

import * as program from "program";

// A panic leaves the memory of the WebAssembly in an unknown state. It is noted here, and the next call gets a new
// instance, as with the entry that worker-build generates; the `worker` crate counts the instances.
const state = program.__worker_init_state();

function renewAfterPanic() {
  if (!state.criticalError) return;
  console.log("Starting anew after a panic");
  program.__wbg_reset_state();
  state.criticalError = false;
}

// A trap that no panic came before, as of a memory access out of bounds.
function noteTrap(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  state.criticalError = true;
}

addEventListener("error", ({ error }) => noteTrap(error));

export default {
  fetch(request, env, ctx) {
    renewAfterPanic();
    try {
      return program.fetch(request, env, ctx);
    } catch (error) {
      noteTrap(error);
      throw error;
    }
  },

  scheduled(event, env, ctx) {
    renewAfterPanic();
    try {
      return program.scheduled(event, env, ctx);
    } catch (error) {
      noteTrap(error);
      throw error;
    }
  },
};

// The Durable Object's class. What it stores outlives an instance of the WebAssembly, its object in there does not.
export class VmObject {
  #state;
  #env;
  #object;
  #instance;

  constructor(state, env) {
    this.#state = state;
    this.#env = env;
  }

  fetch(request) {
    return this.#call((object) => object.fetch(request));
  }

  alarm() {
    return this.#call((object) => object.alarm());
  }

  #call(method) {
    renewAfterPanic();
    try {
      if (this.#instance !== state.instanceId) {
        this.#object = new program.VmObject(this.#state, this.#env);
        this.#instance = state.instanceId;
      }
      return method(this.#object);
    } catch (error) {
      noteTrap(error);
      throw error;
    }
  }
}
