// The Worker's own check of its configuration, in the WebAssembly that is deployed. It is bundled
// as a separate module, because it loads that WebAssembly.

export { check } from "vmproxy-bindgen";
