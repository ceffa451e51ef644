// Rust for this machine: the toolchain in rust-toolchain.toml.

import { root } from "../project.mjs";
import { Failure, output, run, which } from "../process.mjs";

export const rust = {
  task: "Install Rust",
  duration: 60,
  manualCommand: () =>
    which("rustup")
      ? "rustup toolchain install"
      : "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh (https://rustup.rs)",

  isInstalled() {
    // Without this variable, rustup would start a download here.
    const env = { ...process.env, RUSTUP_AUTO_INSTALL: "0" };
    return ["cargo", "rustc"].every((program) => output(program, ["--version"], { cwd: root, env }) !== undefined);
  },

  async install() {
    if (!which("rustup")) throw new Failure("neither cargo nor rustup is in PATH");
    await run("rustup", ["toolchain", "install"], { cwd: root });
  },
};
