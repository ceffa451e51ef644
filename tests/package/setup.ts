import { execFileSync } from "node:child_process";
import { root } from "../harness/root.ts";

// Without it an old package would be tested unnoticed.
export default function setUp(): void {
  execFileSync(process.execPath, ["scripts/package.mjs"], { cwd: root, stdio: "inherit" });
}
