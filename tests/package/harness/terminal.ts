import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { eventually } from "../../harness/eventually.ts";
import { packageFolder } from "./package.ts";

export interface Session {
  status: number | null;
  shown: string;
}

/** Runs the package's command at a terminal, and types a reply to each question. */
export async function vmproxyAtTerminal(args: string[], cwd: string, replies: [question: string, reply: string][]): Promise<Session> {
  const program = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
  const command = [process.execPath, join(packageFolder, "vmproxy.js"), ...args];
  const child = spawn("python3", ["-c", program, ...command], { cwd, stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(child, "close");
  let shown = "";
  let replied = 0;
  child.stdout.on("data", (data) => (shown += data));
  try {
    for (const [question, reply] of replies) {
      replied = await eventually(`the question "${question}" is shown`, () => {
        const at = shown.indexOf(`${question}: `, replied);
        if (at < 0) throw new Error(shown);
        return at + question.length;
      }, 20_000);
      child.stdin.write(reply);
    }
    const [status] = await closed;
    return { status: status as number | null, shown };
  } finally {
    child.kill();
  }
}
