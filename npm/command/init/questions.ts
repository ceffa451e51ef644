import { createInterface, type Interface } from "node:readline/promises";
import { Failure } from "../errors.ts";
import { InvalidValue } from "./settings.ts";

/** Questions at the terminal. */
export class Questions implements Disposable {
  readonly #terminal: Interface = createInterface({ input: process.stdin, output: process.stdout });

  /** Asks until `read` accepts the reply. */
  async ask<Value>(question: string, read: (reply: string) => Value): Promise<Value> {
    for (;;) {
      const reply = await this.#reply(question);
      try {
        return read(reply.trim());
      } catch (error) {
        if (!(error instanceof InvalidValue)) throw error;
        console.log(`  ${error.message}`);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#terminal.close();
  }

  async #reply(question: string): Promise<string> {
    try {
      return await this.#terminal.question(question);
    } catch {
      // Ctrl-C and Ctrl-D close the terminal.
      throw new Failure("init: interrupted, nothing written");
    }
  }
}
