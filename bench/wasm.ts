import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "../tests/harness/root.ts";
import { atMost, type Row, row } from "./rows.ts";

/** Measures the size of the built Worker. */
export function wasmSize(): Row[] {
  const size = gzipSync(readFileSync(join(root, "build", "index_bg.wasm")), { level: 9 }).length / 1024;
  return [row("wasm_gzip_kib", size, "KiB", atMost(size, 400, "KiB"))];
}
