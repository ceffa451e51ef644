// Where the project is.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

// npm programs, among them the Node version that wrangler and vitest ask for.
export const npmBin = join(root, "node_modules", ".bin");
