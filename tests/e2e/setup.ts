import { execFileSync } from "node:child_process";
import { root } from "../harness/root.ts";

// Builds what has changed, so that no stale build is tested.
export default function setUp(): void {
  execFileSync(process.execPath, ["scripts/build.mjs", "examples/own-worker"], { cwd: root, stdio: "inherit" });
}
