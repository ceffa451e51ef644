// The compiled programs: the bundler, which builds Workers, the Worker, and the emulator.

import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { npmBin, root } from "../project.mjs";
import { run } from "../process.mjs";
import { compiler, linkerOf } from "./compiler.mjs";
import { npmPackages } from "./npm-packages.mjs";
import { rust } from "./rust.mjs";
import { wasmTarget } from "./wasm-target.mjs";

export const bundler = {
  ...program("bundler"),
  task: "Compile the bundler",
  duration: 35,
  after: [rust],
};

export const worker = {
  task: "Compile the Worker",
  duration: 110,
  after: [npmPackages, wasmTarget, bundler],
  isInstalled: () => ["index.js", "index_bg.wasm"].every((name) => existsSync(join(root, "build", name))),
  install: () => bundle(root),
  manualCommand: () => "npm run build",
};

export const emulator = {
  ...program("gce-emulator"),
  task: "Compile the emulator",
  duration: 80,
  // Two cargo builds in the same folder would wait for each other, and the Worker needs the bundler
  // first.
  after: [rust, bundler],
};

// Builds a Worker into the `build/` of its folder, unless it is up to date.
export async function bundle(crate, { workspace = root, env = {} } = {}) {
  const rust = compiler();
  const { isBuiltIn, program } = linkerOf(rust);
  await bundler.install();
  await run(bundler.path, [crate], {
    cwd: workspace,
    env: {
      // The compiler for wasm32 may differ from the compiler for this machine.
      PATH: [npmBin, dirname(rust.rustc), process.env.PATH].join(delimiter),
      // The files of the two compilers must not mix.
      CARGO_TARGET_DIR: join(root, "target", "worker"),
      CARGO_TERM_QUIET: "true",
      ...(isBuiltIn ? {} : { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: program }),
      ...env,
    },
  });
}

function program(name) {
  const path = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug", name);
  const build = ["build", "--locked", "--quiet", "--package", name];
  return {
    path,
    isInstalled: () => existsSync(path),
    // Cargo checks whether the program is up to date.
    install: () => run("cargo", build, { cwd: root }),
    manualCommand: () => ["cargo", ...build].join(" "),
  };
}
