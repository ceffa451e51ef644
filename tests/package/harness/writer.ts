// Writes a configuration file, and records the line of each key.

/** A file, and the lines of its keys, such as `env.staging.vars.VMS[0].instance.zone`. */
export class Written {
  readonly #lines: string[] = [];
  readonly #lineOf = new Map<string, number>();

  get text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  add(line: string, key?: string): void {
    this.#lines.push(line);
    if (key !== undefined) this.#lineOf.set(key, this.#lines.length);
  }

  /** Returns the line of a key, or of the innermost table that should have it. */
  lineOf(key: string): number {
    const around = [...this.#lineOf.keys()].filter((known) => key === known || /^[.[]/.test(key.slice(known.length)) && key.startsWith(known));
    const innermost = around.reduce((longest, known) => (known.length > longest.length ? known : longest), "");
    return this.#lineOf.get(innermost) ?? 1;
  }
}

type Table = Record<string, unknown>;

export function writeToml(table: Table): Written {
  const file = new Written();
  tomlTable(file, table, "", "");
  return file;
}

export function writeJsonc(table: Table): Written {
  const file = new Written();
  file.add("// With a comment and trailing commas.");
  jsonValue(file, table, "", "", "");
  return file;
}

// Plain values come first: everything after a header belongs to its table.
function tomlTable(file: Written, table: Table, header: string, path: string): void {
  const entries = Object.entries(table);
  for (const [key, value] of entries.filter(([, value]) => !isTable(value) && !isTables(value))) {
    file.add(`${tomlKey(key)} = ${tomlInline(value)}`, below(path, key));
  }
  for (const [key, value] of entries) {
    const name = header === "" ? tomlKey(key) : `${header}.${tomlKey(key)}`;
    if (isTable(value)) {
      file.add(`[${name}]`, below(path, key));
      tomlTable(file, value, name, below(path, key));
    } else if (isTables(value)) {
      for (const [index, item] of value.entries()) {
        file.add(`[[${name}]]`, `${below(path, key)}[${index}]`);
        tomlTable(file, item, name, `${below(path, key)}[${index}]`);
      }
    }
  }
}

function tomlInline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlInline).join(", ")}]`;
  if (!isTable(value)) return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([key, entry]) => `${tomlKey(key)} = ${tomlInline(entry)}`).join(", ")} }`;
}

function tomlKey(key: string): string {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
}

function jsonValue(file: Written, value: unknown, before: string, path: string, indent: string): void {
  const comma = indent === "" ? "" : ",";
  if (Array.isArray(value)) {
    file.add(`${indent}${before}[`, path);
    for (const [index, item] of value.entries()) jsonValue(file, item, "", `${path}[${index}]`, `${indent}  `);
    file.add(`${indent}]${comma}`);
  } else if (isTable(value)) {
    file.add(`${indent}${before}{`, path);
    for (const [key, entry] of Object.entries(value)) jsonValue(file, entry, `${JSON.stringify(key)}: `, below(path, key), `${indent}  `);
    file.add(`${indent}}${comma}`);
  } else {
    file.add(`${indent}${before}${JSON.stringify(value)}${comma}`, path);
  }
}

function below(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTables(value: unknown): value is Table[] {
  return Array.isArray(value) && value.length > 0 && value.every(isTable);
}
