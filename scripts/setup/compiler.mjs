// The Rust compiler for wasm32, and its linker.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../project.mjs";
import { output, which } from "../process.mjs";

export const target = "wasm32-unknown-unknown";

// A file beside a std that this set-up has built: the version of the compiler that built it.
export const builtWith = "built-with";

// If the first rustc in PATH is rustup's, it hides the distribution's.
export const distroCompiler = "/usr/bin/rustc";

// Returns the first compiler in PATH if it has the target, otherwise the distribution's if that one
// has it.
export function compiler() {
  return [which("rustc"), distroCompiler].filter((rustc) => rustc && existsSync(rustc)).map(describe).find(hasTarget);
}

export function describe(rustc) {
  const libraries = output(rustc, ["--target", target, "--print", "target-libdir"], { cwd: root });
  const version = output(rustc, ["-vV"], { cwd: root });
  return { rustc, version, libraries };
}

// Debian's compiler does not include a linker, unlike rustup's.
export function linkerOf({ version, libraries }) {
  const [, host] = version.match(/^host: (.*)$/m);
  const [, llvm] = version.match(/^LLVM version: (\d+)/m);
  const own = join(dirname(dirname(libraries)), host, "bin", "rust-lld");
  return { isBuiltIn: existsSync(own), program: `wasm-ld-${llvm}`, debianPackage: `lld-${llvm}` };
}

function hasTarget({ version, libraries }) {
  if (!libraries || !existsSync(libraries)) return false;
  const mark = join(libraries, builtWith);
  // A compiler refuses a std that another version has built.
  if (existsSync(mark)) return readFileSync(mark, "utf8") === version;
  return readdirSync(libraries).some((file) => /^libstd-.*\.rlib$/.test(file));
}
