import { parseArgs, type ParseArgsConfig } from "node:util";
import { CommandLineError } from "./errors.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Reads the flags of a command, and its one optional argument. */
export function readCommandLine<O extends Options>(command: string, args: string[], options: O) {
  const { values, positionals } = parse(command, args, options);
  const [argument, surplus] = positionals;
  if (surplus !== undefined) throw new CommandLineError(`${command}: surplus argument "${surplus}"`);
  return { values, argument };
}

function parse<O extends Options>(command: string, args: string[], options: O) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    if (!isParseError(error)) throw error;
    // The message continues with sentences about rare kinds of arguments.
    const [reason = ""] = error.message.split(/\. |\.?\n/);
    throw new CommandLineError(`${command}: ${reason[0]?.toLowerCase()}${reason.slice(1)}`);
  }
}

function isParseError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}
