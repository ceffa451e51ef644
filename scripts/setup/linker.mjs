// The linker for wasm32.

import { which } from "../process.mjs";
import { aptInstall, hasApt } from "./apt.mjs";
import { compiler, linkerOf } from "./compiler.mjs";

export const linker = {
  name: "Linker for wasm32",
  duration: "20 s",
  byHand: () => `apt-get install ${linkerOf(compiler()).debianPackage}`,

  isThere() {
    const { isBuiltIn, program } = linkerOf(compiler());
    // Other distributions' compilers know their linker.
    return isBuiltIn || !hasApt() || which(program) !== undefined;
  },

  install: () => aptInstall([linkerOf(compiler()).debianPackage]),
};
