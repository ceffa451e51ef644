// Rust's standard library for wasm32.

import { root } from "../project.mjs";
import { output, run, which } from "../process.mjs";
import { compiler, describe, distroCompiler, target } from "./compiler.mjs";
import { aptInstall, hasApt } from "./apt.mjs";
import { buildStd } from "./distro-std.mjs";

const packages = ["rustc-web", "cargo-web", "rust-web-src"];

export const wasmTarget = {
  name: `Rust target ${target}`,
  duration: "20 s, or 2 min where rustup may not download",
  byHand: () => `rustup target add ${target}     (rustup: https://rustup.rs)`,

  isThere: () => compiler() !== undefined,

  async install() {
    if (await rustupAdds()) return;
    if (!hasApt()) return;
    console.log("Set-up: rustup could not add it; building it from the distribution's sources.");
    if (!packages.every(isInstalled)) await aptInstall(packages);
    await buildStd(describe(distroCompiler));
  },
};

async function rustupAdds() {
  if (!which("rustup")) return false;
  try {
    await run("rustup", ["target", "add", target], { cwd: root, env: { RUST_BACKTRACE: "0" } });
    return true;
  } catch {
    return false;
  }
}

function isInstalled(name) {
  return output("dpkg-query", ["--show", "--showformat=${db:Status-Status}", name]) === "installed";
}
