/** A TOML string on one line. */
export function tomlString(text: string): string {
  return `"${escape(text)}"`;
}

/** A TOML string of several lines, as readable as its content allows. */
export function tomlText(text: string): string {
  // A line break after the opening quotes does not count.
  if (isPlain(text) && !text.includes("\\") && !text.includes('"""')) return `"""\n${text}"""`;
  if (isPlain(text) && !text.includes("'''")) return `'''\n${text}'''`;
  return `"""\n${text.split("\n").map(escape).join("\n")}"""`;
}

/**
 * Whether TOML allows each character as it is. A lone carriage return or a Windows line break might
 * be read as another line break.
 */
function isPlain(text: string): boolean {
  return !/[\0-\x08\x0b-\x1f\x7f]/.test(text);
}

function escape(text: string): string {
  // TOML's escapes include those of JSON, which leaves one forbidden character as it is.
  return JSON.stringify(text).slice(1, -1).replaceAll("\x7f", "\\u007f");
}
