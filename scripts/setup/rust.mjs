// Rust for this machine: the toolchain that rust-toolchain.toml names.

import { root } from "../project.mjs";
import { output, run, which } from "../process.mjs";

export const rust = {
  name: "Rust",
  duration: "1 min",
  byHand: () =>
    which("rustup")
      ? "rustup toolchain install"
      : "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh     (see https://rustup.rs)",

  isThere() {
    // Without the variable, rustup would quietly begin a download here.
    const env = { ...process.env, RUSTUP_AUTO_INSTALL: "0" };
    return ["cargo", "rustc"].every((program) => output(program, ["--version"], { cwd: root, env }) !== undefined);
  },

  async install() {
    if (which("rustup")) await run("rustup", ["toolchain", "install"], { cwd: root });
  },
};
