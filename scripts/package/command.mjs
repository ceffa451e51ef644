// Bundles the command `vmproxy` with its libraries.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";

// Writes `vmproxy.js` (the command) and `worker.js` (the Worker's check of its configuration) to a
// folder, and returns the folders of the bundled libraries.
export async function bundleCommand(folder, version) {
  const command = await bundle("npm/command/main.ts", join(folder, "vmproxy.js"), {
    define: { VMPROXY_VERSION: JSON.stringify(version), WRANGLER_VERSION: JSON.stringify(wranglerVersion()) },
    plugins: [workerBeside],
  });
  const worker = await bundle("npm/command/worker.ts", join(folder, "worker.js"), { plugins: [wasmBeside, cloudflareStubs] });
  return [...new Set([...command, ...worker])].sort();
}

async function bundle(entry, outfile, options) {
  // Imported here because a fresh clone has no packages yet when this file is loaded.
  const { build } = await import("esbuild");
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "esm",
    // A library's CommonJS entry may load parts of the library in ways that cannot be bundled.
    mainFields: ["module", "main"],
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    ...options,
  });
  const libraries = Object.keys(metafile.inputs).map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return libraries.filter((library) => library !== undefined);
}

// The command loads worker.js, and with it the WebAssembly, only for `check`.
const workerBeside = {
  name: "worker-beside",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/worker\.ts$/ }, () => ({ path: "./worker.js", external: true }));
  },
};

// The code that wasm-bindgen generates imports the WebAssembly as a module, as in Workers. In Node,
// the package reads its own file instead.
const wasmBeside = {
  name: "wasm-beside",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^vmproxy-bindgen$/ }, () => ({ path: join(root, "build", "bindgen", "index.js") }));
    onResolve({ filter: /\/index_bg\.wasm$/ }, () => ({ path: "index_bg.wasm", namespace: "wasm" }));
    onLoad({ filter: /.*/, namespace: "wasm" }, () => ({
      contents: `import { readFileSync } from "node:fs";
        export default new WebAssembly.Module(readFileSync(new URL("./index_bg.wasm", import.meta.url)));`,
    }));
  },
};

// The check does not use the modules of the Workers runtime.
const cloudflareStubs = {
  name: "cloudflare-stubs",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^cloudflare:/ }, ({ path }) => ({ path, namespace: "cloudflare" }));
    onLoad({ filter: /.*/, namespace: "cloudflare" }, () => ({
      // Every named import is undefined.
      contents: "module.exports = {};",
    }));
  },
};

function wranglerVersion() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies.wrangler;
}
