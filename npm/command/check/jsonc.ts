import * as jsonc from "jsonc-parser";
import { Lines, Node } from "./node.ts";
import { SyntaxProblem } from "./syntax-problem.ts";

/** Parses a JSON document with comments and trailing commas, as wrangler does. */
export function parseJsonc(text: string): Node {
  const options = { allowTrailingComma: true };
  const errors: jsonc.ParseError[] = [];
  const value: unknown = jsonc.parse(text, errors, options);
  const position = positionsIn(text);
  const [error] = errors;
  if (error) {
    // The parser's errors are only names, as "ColonExpected".
    const name = jsonc.printParseErrorCode(error.error).replaceAll(/(?!^)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    const { line, column } = position(error.offset);
    throw new SyntaxProblem(name, line, column);
  }
  const root = jsonc.parseTree(text, [], options);
  if (root?.type !== "object") throw new SyntaxProblem("Not a JSON object", 1, 1);
  const lines = new Lines(1);
  addContent(lines, root, (node) => position(node.offset).line);
  return new Node(value, lines);
}

function addContent(lines: Lines, { type, children = [] }: jsonc.Node, lineOf: (node: jsonc.Node) => number): void {
  for (const [index, child] of children.entries()) {
    if (type === "array") addContent(lines.set(index, lineOf(child)), child, lineOf);
    const [key, value] = type === "object" ? (child.children ?? []) : [];
    if (key && value) addContent(lines.set(key.value as string, lineOf(key)), value, lineOf);
  }
}

/** Returns what finds the line and the column of an offset. */
function positionsIn(text: string): (offset: number) => { line: number; column: number } {
  const starts = [0, ...[...text.matchAll(/\r\n|\r|\n/g)].map((end) => end.index + end[0].length)];
  return (offset) => {
    const line = starts.findLastIndex((start) => start <= offset);
    return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
  };
}
