// Builds std for wasm32 from the distribution's sources, for systems on which rustup cannot install
// it.

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "../process.mjs";
import { asRoot } from "./apt.mjs";
import { builtWith, target } from "./compiler.mjs";

export async function buildStd({ rustc, version, libraries }) {
  const folder = mkdtempSync(join(tmpdir(), "vmproxy-std-"));
  try {
    await build(folder, rustc);
    const built = collect(folder, version);
    // Copied to a temporary name first, so that no other process finds an incomplete library.
    const replace = 'mkdir -p "$(dirname "$2")"; cp -r "$1" "$2.$$"; rm -rf "$2"; mv -T "$2.$$" "$2"';
    await asRoot("sh", ["-ec", replace, "sh", built, libraries]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// std is built as a dependency, so there must be a crate that depends on it.
const emptyCrate = "empty";

async function build(folder, rustc) {
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "Cargo.toml"), `[package]\nname = "${emptyCrate}"\nversion = "0.0.0"\nedition = "2021"\n`);
  writeFileSync(join(folder, "src", "lib.rs"), "#![no_std]\n");
  const env = {
    PATH: `${dirname(rustc)}:${process.env.PATH}`,
    CARGO_TARGET_DIR: join(folder, "target"),
    CARGO_PROFILE_RELEASE_LTO: "off",
    // The Worker is linked with `lto = "fat"`, which needs std's bitcode.
    RUSTFLAGS: "-Cembed-bitcode=yes",
    // -Zbuild-std is not stable yet.
    RUSTC_BOOTSTRAP: "1",
  };
  const args = ["build", "--quiet", "--release", "--target", target, "-Zbuild-std=std,panic_abort,proc_macro"];
  await run(join(dirname(rustc), "cargo"), args, { cwd: folder, env });
}

function collect(folder, version) {
  const from = join(folder, "target", target, "release", "deps");
  const to = join(folder, "lib");
  mkdirSync(to);
  for (const file of readdirSync(from)) {
    if (file.endsWith(".rlib") && !file.startsWith(`lib${emptyCrate}-`)) copyFileSync(join(from, file), join(to, file));
  }
  writeFileSync(join(to, builtWith), version);
  return to;
}
