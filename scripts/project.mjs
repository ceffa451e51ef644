// The project's folders.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

// npm programs, including the Node version that wrangler and vitest require.
export const npmBin = join(root, "node_modules", ".bin");
