// Runs the benchmarks: all (`npm run bench`) or some groups (`npm run bench -- data-plane`).
// Absolute figures depend on the machine; the ratios of one run are comparable.

import { coldStarts } from "./cold_start.ts";
import { dataPlane } from "./data_plane.ts";
import { isolateStart } from "./isolate_start.ts";
import { overhead } from "./overhead.ts";
import { print, type Row, write } from "./rows.ts";
import { touches } from "./touches.ts";
import { waitingPages } from "./waiting_pages.ts";
import { wasmSize } from "./wasm.ts";
import { webSockets } from "./websocket.ts";

const groups: Record<string, () => Row[] | Promise<Row[]>> = {
  size: wasmSize,
  "cold-start": coldStarts,
  "waiting-pages": waitingPages,
  overhead,
  "data-plane": dataPlane,
  touches,
  websocket: webSockets,
  "isolate-start": isolateStart,
};

const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => !(name in groups));
if (unknown) {
  console.error(`no group is named ${unknown}; there are ${Object.keys(groups).join(", ")}`);
  process.exit(2);
}
const rows: Row[] = [];
for (const [name, measure] of Object.entries(groups)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const measured = await measure();
  // Written after each group, so that a later failure loses nothing.
  write(measured);
  rows.push(...measured);
}
print(rows);
process.exit(rows.every((row) => row.met) ? 0 : 1);
