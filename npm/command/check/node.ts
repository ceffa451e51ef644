/** A value of the configuration file, with its line. */
export class Node {
  readonly value: unknown;
  /** The line of its key, of its `[table]` or of itself; from 1. */
  readonly line: number;
  /** The entries of a table by their keys, or of an array by their indexes. */
  readonly #children: Map<string, Node>;

  /** `line` is the line of the enclosing value, for a value without its own line. */
  constructor(value: unknown, lines: Lines | undefined, line = 1) {
    this.value = value;
    this.line = lines?.line ?? line;
    const children = typeof value === "object" && value !== null ? Object.entries(value) : [];
    this.#children = new Map(children.map(([key, child]) => [key, new Node(child, lines?.children.get(key), this.line)]));
  }

  /** The items of an array; none of anything else. */
  get items(): Node[] {
    return Array.isArray(this.value) ? [...this.#children.values()] : [];
  }

  /** The entries of a table; none of anything else. */
  get entries(): [key: string, value: Node][] {
    return Array.isArray(this.value) ? [] : [...this.#children];
  }

  /** The entry of a table. */
  get(key: string): Node | undefined {
    return Array.isArray(this.value) ? undefined : this.#children.get(key);
  }

  /**
   * Returns the value at a key such as `VMS[0].instance.zone`, or the innermost enclosing value if
   * there is none. Keys may contain dots.
   */
  locate(key: string): Node {
    const longestFirst = [...this.#children].sort(([a], [b]) => b.length - a.length);
    for (const [name, child] of longestFirst) {
      const written = Array.isArray(this.value) ? `[${name}]` : name;
      const rest = key.slice(written.length);
      if (key.startsWith(written) && /^([.[]|$)/.test(rest)) return rest === "" ? child : child.locate(rest.replace(/^\./, ""));
    }
    return this;
  }
}

/** The line of a value, and the lines of its parts: of a table by keys, of an array by indexes. */
export class Lines {
  line: number;
  readonly children = new Map<string, Lines>();

  constructor(line: number) {
    this.line = line;
  }

  /** Returns the lines of a part; a new part is at `line`. */
  part(key: string | number, line: number): Lines {
    const known = this.children.get(String(key));
    return known ?? this.set(key, line);
  }

  set(key: string | number, line: number): Lines {
    const lines = new Lines(line);
    this.children.set(String(key), lines);
    return lines;
  }
}
