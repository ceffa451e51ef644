// The comparisons: `npm run bench`. Whole-process figures of this machine mean little; ratios of one run do.

import { coldStarts } from "./cold_start.ts";
import { report } from "./rows.ts";
import { wasmSize } from "./wasm.ts";

const rows = [...wasmSize(), ...(await coldStarts())];
report(rows);
process.exit(rows.every((row) => row.met) ? 0 : 1);
