/** What wasm-bindgen generates for the Worker, bundled for Node by scripts/package/command.mjs. */
declare module "vmproxy-bindgen" {
  export const check: import("./check/findings.ts").WorkerCheck;
}
