// Writes `emulator/data/compute.v1.json`: Google's discovery document of the Compute Engine API,
// cut down to the methods below and the schemas that they use, without descriptions:
// `node scripts/discovery.mjs FILE_OR_URL`.
//
// The full document is at https://compute.googleapis.com/$discovery/rest?version=v1, and in the
// PyPI package google-api-python-client as
// googleapiclient/discovery_cache/documents/compute.v1.json.

import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./project.mjs";
import { Failure, main } from "./process.mjs";

// The methods by resource. To add one, name it here and run this script, which also adds the
// schemas that the method uses.
const methods = {
  instances: [
    ...["insert", "get", "list", "aggregatedList", "start", "stop", "suspend", "resume", "delete", "reset"],
    ...["setMetadata", "setMachineType", "setScheduling", "setLabels", "setTags"],
    ...["getSerialPortOutput", "simulateMaintenanceEvent", "testIamPermissions"],
  ],
  zoneOperations: ["get", "wait", "list", "delete"],
  images: ["getFromFamily", "get"],
  instanceTemplates: ["get", "insert", "list", "delete"],
  zones: ["get", "list"],
  machineTypes: ["get", "list"],
  disks: ["get", "list", "delete", "insert"],
  addresses: ["get", "list", "insert", "delete"],
  firewalls: ["list"],
  projects: ["get"],
  globalOperations: ["get", "wait", "list", "delete"],
  regionOperations: ["get", "wait", "list", "delete"],
  regions: ["get", "list"],
  diskTypes: ["get", "list"],
};

// The top-level fields, in this order. `auth`, `resources` and `schemas` follow.
const header = ["kind", "id", "name", "version", "revision", "rootUrl", "servicePath", "baseUrl", "batchPath", "parameters"];

// The fields whose keys are names that the API has chosen, not keywords of the format.
const maps = ["methods", "parameters", "properties", "resources", "schemas"];

const documentation = ["annotations", "description", "enumDescriptions"];

export function cut(full) {
  const resources = mapValues(methods, (names, resource) => ({
    methods: pick(full.resources[resource]?.methods, names, `methods of ${resource}`),
  }));
  return withoutDocumentation({
    ...pick(full, header, "fields"),
    auth: { oauth2: { scopes: Object.keys(full.auth.oauth2.scopes) } },
    resources,
    schemas: schemasOf(resources, full.schemas),
  });
}

// The schemas that a part of the document refers to, directly or through other schemas, by name.
function schemasOf(part, schemas) {
  const found = new Set();
  const pending = [part];
  while (pending.length > 0) {
    for (const name of references(pending.pop())) {
      if (!found.has(name)) pending.push(schemas[name]);
      found.add(name);
    }
  }
  return pick(schemas, [...found].sort(), "schemas");
}

function references(value) {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === "$ref" ? [inner] : references(inner)));
}

function withoutDocumentation(value) {
  if (Array.isArray(value)) return value.map(withoutDocumentation);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !documentation.includes(key));
  return Object.fromEntries(
    kept.map(([key, inner]) => [key, maps.includes(key) ? mapValues(inner, withoutDocumentation) : withoutDocumentation(inner)]),
  );
}

function pick(object, keys, what) {
  const missing = keys.filter((key) => object?.[key] === undefined);
  if (missing.length > 0) throw new Failure(`the document lacks these ${what}: ${missing.join(", ")}`);
  return Object.fromEntries(keys.map((key) => [key, object[key]]));
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}

async function read(source) {
  if (!/^https?:/.test(source)) return JSON.parse(readFileSync(source, "utf8"));
  const response = await fetch(source);
  if (!response.ok) throw new Failure(`${source}: status ${response.status}`);
  return await response.json();
}

async function writeDocument() {
  const [source] = process.argv.slice(2);
  if (source === undefined) throw new Failure("usage: node scripts/discovery.mjs FILE_OR_URL");
  const document = cut(await read(source));
  const file = join(root, "emulator", "data", "compute.v1.json");
  writeFileSync(file, `${JSON.stringify(document, null, 1)}\n`);
  const count = Object.values(methods).flat().length;
  const schemas = Object.keys(document.schemas).length;
  console.log(`${relative(root, file)}: revision ${document.revision}, ${count} methods, ${schemas} schemas`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(writeDocument);
