import { Node } from "./node.ts";

/** An environment of the configuration file: what `wrangler deploy --env NAME` deploys. */
export interface Environment {
  /** Empty for the top level. */
  name: string;
  /** Its own settings; variables and bindings are found only here. */
  own: Node;
  /** The top level, which some other settings are inherited from. */
  top: Node;
  /** Its variables: its own, or the whole environment if it has none. */
  vars: Node;
  /** Its VMs, as many as can be read. */
  vms: unknown[];
}

/** Returns the top level, and then the named environments in the order of the file. */
export function environmentsOf(top: Node): Environment[] {
  const named = top.get("env")?.entries ?? [];
  return [["", top] as const, ...named].map(([name, own]) => {
    const vars = own.get("vars");
    return { name, own, top, vars: vars ?? new Node({}, undefined, own.line), vms: vmsIn(vars) };
  });
}

/** Returns a setting that an environment inherits if it does not have its own. */
export function inherited({ own, top }: Environment, key: string): Node | undefined {
  return own.get(key) ?? top.get(key);
}

/** `VMS` is an array, or the JSON of one. */
function vmsIn(vars: Node | undefined): unknown[] {
  const vms = vars?.get("VMS")?.value;
  const parsed = typeof vms === "string" ? parseJson(vms) : vms;
  return Array.isArray(parsed) ? parsed : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
