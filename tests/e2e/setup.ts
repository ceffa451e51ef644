import { execFileSync } from "node:child_process";
import { root } from "../harness/root.ts";

// The script builds only what has changed; without it an old build would be tested unnoticed.
export default function setUp(): void {
  execFileSync(process.execPath, ["scripts/build.mjs", "examples/own-worker"], { cwd: root, stdio: "inherit" });
}
