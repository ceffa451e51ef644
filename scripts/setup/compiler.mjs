// Which Rust compiler builds for wasm32, and with what.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../project.mjs";
import { output, which } from "../process.mjs";

export const target = "wasm32-unknown-unknown";

// In the target's folder, beside a std that this set-up has built: the compiler it was built with.
export const builtWith = "built-with";

// A rustc in PATH may be rustup's; the distribution's is then behind it.
export const distroCompiler = "/usr/bin/rustc";

// The compiler to use: the first one in PATH if it has the target, otherwise the distribution's if that has.
export function compiler() {
  return [which("rustc"), distroCompiler].filter((rustc) => rustc && existsSync(rustc)).map(describe).find(hasTarget);
}

export function describe(rustc) {
  const libraries = output(rustc, ["--target", target, "--print", "target-libdir"], { cwd: root });
  const version = output(rustc, ["-vV"], { cwd: root });
  return { rustc, version, libraries };
}

// Debian's compiler comes without the linker that rustup's brings along.
export function linkerOf({ version, libraries }) {
  const [, host] = version.match(/^host: (.*)$/m);
  const [, llvm] = version.match(/^LLVM version: (\d+)/m);
  const own = join(dirname(dirname(libraries)), host, "bin", "rust-lld");
  return { isBuiltIn: existsSync(own), program: `wasm-ld-${llvm}`, debianPackage: `lld-${llvm}` };
}

function hasTarget({ version, libraries }) {
  if (!libraries || !existsSync(libraries)) return false;
  const mark = join(libraries, builtWith);
  // Built for an older compiler, it would be refused by today's.
  if (existsSync(mark)) return readFileSync(mark, "utf8") === version;
  return readdirSync(libraries).some((file) => /^libstd-.*\.rlib$/.test(file));
}
