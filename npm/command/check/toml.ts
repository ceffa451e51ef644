import { parse, TomlError } from "smol-toml";
import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import { Lines, Node } from "./node.ts";
import { SyntaxProblem } from "./syntax-problem.ts";

/** Parses a TOML document: the values with wrangler's parser, the lines with another one. */
export function parseToml(text: string): Node {
  try {
    // In JSON, the form in which wrangler deploys the variables, dates are strings.
    const value: unknown = JSON.parse(JSON.stringify(parse(text)));
    return new Node(value, linesOf(parseTOML(text)));
  } catch (error) {
    if (error instanceof TomlError) throw new SyntaxProblem(reason(error), error.line, error.column);
    if (error instanceof ParseError) throw new SyntaxProblem(error.message, error.lineNumber, error.column + 1);
    throw error;
  }
}

/** The message continues with an excerpt of the file. */
function reason({ message }: TomlError): string {
  return message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
}

function linesOf(program: AST.TOMLProgram): Lines {
  const document = new Lines(1);
  for (const part of program.body[0].body) {
    if (part.type === "TOMLKeyValue") addKeyValue(document, part);
    else addTable(document, part);
  }
  return document;
}

function addTable(document: Lines, { loc, resolvedKey, body }: AST.TOMLTable): void {
  const { line } = loc.start;
  const table = resolvedKey.reduce<Lines>((parent, key) => parent.part(key, line), document);
  // The header of a table may come after the headers of its parts.
  table.line = line;
  for (const entry of body) addKeyValue(table, entry);
}

function addKeyValue(table: Lines, { key, value, loc }: AST.TOMLKeyValue): void {
  const { line } = loc.start;
  const names = key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
  addContent(names.reduce((parent, name) => parent.part(name, line), table), value);
}

function addContent(lines: Lines, content: AST.TOMLContentNode): void {
  if (content.type === "TOMLInlineTable") {
    for (const entry of content.body) addKeyValue(lines, entry);
  } else if (content.type === "TOMLArray") {
    for (const [index, item] of content.elements.entries()) addContent(lines.set(index, item.loc.start.line), item);
  }
}
