// The requirements of Rust for wasm32: the target's standard library, and a linker.

import { root } from "../project.mjs";
import { output, run, which } from "../process.mjs";
import { aptInstall, hasApt } from "./apt.mjs";
import { compiler, describe, distroCompiler, linkerOf, target } from "./compiler.mjs";
import { buildStd } from "./distro-std.mjs";
import { rust } from "./rust.mjs";

const packages = ["rustc-web", "cargo-web", "rust-web-src"];

export const wasmTarget = {
  task: `Add the Rust target ${target}`,
  duration: 5,
  after: [rust],
  manualCommand: () => `rustup target add ${target} (https://rustup.rs)`,

  isInstalled() {
    const found = compiler();
    return found !== undefined && hasLinker(found);
  },

  async install() {
    if (!compiler()) await addTarget();
    const found = compiler();
    if (found && !hasLinker(found)) await aptInstall([linkerOf(found).debianPackage]);
  },
};

async function addTarget() {
  if (await rustupAdds()) return;
  if (!hasApt()) return;
  console.log("rustup could not add the target: building it from the distribution's sources, in about 2 min");
  if (!packages.every(isPackageInstalled)) await aptInstall(packages);
  await buildStd(describe(distroCompiler));
}

async function rustupAdds() {
  if (!which("rustup")) return false;
  try {
    await run("rustup", ["target", "add", target], { cwd: root, env: { RUST_BACKTRACE: "0" } });
    return true;
  } catch {
    return false;
  }
}

function hasLinker(found) {
  const { isBuiltIn, program } = linkerOf(found);
  // The compilers of other distributions find their linker.
  return isBuiltIn || !hasApt() || which(program) !== undefined;
}

function isPackageInstalled(name) {
  return output("dpkg-query", ["--show", "--showformat=${db:Status-Status}", name]) === "installed";
}
