import { readFileSync } from "node:fs";
import { vmproxyVersion, wranglerVersion } from "../versions.ts";
import { regionOf, type Settings } from "./settings.ts";
import { tomlString, tomlText } from "./toml.ts";

/** The files of a project, and of which template each is made. */
const templates = {
  "wrangler.toml": "wrangler.toml",
  "package.json": "package.json",
  // npm leaves files of these names out of a package.
  ".gitignore": "gitignore",
  ".dev.vars.example": "dev.vars.example",
  "README.md": "README.md",
};

export const fileNames = Object.keys(templates);

/** Returns the name and content of each file of a new project. */
export function projectFiles(settings: Settings): [name: string, content: string][] {
  const values = valuesFor(settings);
  return Object.entries(templates).map(([name, template]) => [name, fill(readTemplate(template), values)]);
}

function readTemplate(name: string): string {
  return readFileSync(new URL(`./template/${name}`, import.meta.url), "utf8");
}

/** Replaces each `{{name}}` by its value. */
function fill(template: string, values: Record<string, string>): string {
  return template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template has an unknown {{${name}}}`);
    return value;
  });
}

/**
 * Returns the value of each name in the templates. The value of a name that ends with `_toml` is a
 * TOML string.
 */
function valuesFor({ name, project, zone, machineType, startupScript }: Settings): Record<string, string> {
  return {
    name,
    name_toml: tomlString(name),
    region_toml: tomlString(`gcp:${regionOf(zone)}`),
    zone_toml: tomlString(zone),
    machine_type_toml: tomlString(machineType),
    startup_script_toml: tomlText(startupScript),
    project_setting: project === undefined ? '# project = "my-project"' : `project = ${tomlString(project)}`,
    project: project ?? "my-project",
    vmproxy_version: vmproxyVersion,
    wrangler_version: wranglerVersion,
  };
}
