// The Worker's own check of its configuration: the WebAssembly that is deployed. It is bundled to a module of its own,
// since it loads that WebAssembly.

export { check } from "vmproxy-bindgen";
