// Written into the bundle by scripts/package/command.mjs.
declare const VMPROXY_VERSION: string;
declare const WRANGLER_VERSION: string;

/** The version of this package. */
export const vmproxyVersion = VMPROXY_VERSION;

/** The version of wrangler that this package is tested with. */
export const wranglerVersion = WRANGLER_VERSION;
