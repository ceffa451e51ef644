// Build tools that cargo compiles, at exactly the versions that this project needs.

import { join } from "node:path";
import { cargoHome, lockedVersion, root } from "../project.mjs";
import { output, run, which } from "../process.mjs";

// Locked, as its releases are tested.
export const workerBuild = cargoTool("worker-build", "worker-build", () => "0.8.7", ["--locked"], "6 min");

// It must be of the very version of the crate. (Its own lock file holds dependencies that were withdrawn.)
const bindgenVersion = () => lockedVersion("wasm-bindgen");
export const wasmBindgen = cargoTool("wasm-bindgen", "wasm-bindgen-cli", bindgenVersion, [], "3 min");

function cargoTool(program, crate, version, options, duration) {
  // A folder for each version: another project's stays as it is.
  const folder = () => join(cargoHome, "vmproxy", `${program}-${version()}`);
  const own = () => join(folder(), "bin", program);
  const arguments_ = () => ["install", crate, "--version", version(), "--bin", program, "--root", folder(), ...options];
  const isRight = (file) => output(file, ["--version"])?.split(" ").at(-1) === version();

  return {
    name: program,
    duration,
    byHand: () => ["cargo", ...arguments_()].join(" "),
    isThere: () => path() !== undefined,
    path,

    async install() {
      // Kept, so that an interrupted build goes on where it was.
      const env = { CARGO_TARGET_DIR: join(root, "target", "tools") };
      await run("cargo", [...arguments_(), "--quiet"], { cwd: root, env });
    },
  };

  function path() {
    return [which(program), own()].find((file) => file && isRight(file));
  }
}
