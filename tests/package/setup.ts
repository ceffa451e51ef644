import { execFileSync } from "node:child_process";
import { root } from "../harness/root.ts";

// Builds the package, so that no stale one is tested.
export default function setUp(): void {
  execFileSync(process.execPath, ["scripts/package.mjs"], { cwd: root, stdio: "inherit" });
}
