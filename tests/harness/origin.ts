import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { eventually } from "./eventually.ts";

/** What a VM does with one request: it writes to the connection, byte by byte as it likes. */
export type Responder = (connection: Socket, head: string) => void;

/** A server in the VM's place that answers whatever a test wants, not always HTTP. */
export class Origin {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  /** The heads of the requests that have come, probes aside. */
  readonly heads: string[] = [];

  private constructor(responders: Record<string, Responder>) {
    this.#server = createServer((connection) => {
      this.#connections.add(connection);
      connection.on("close", () => this.#connections.delete(connection));
      // The proxy may go away in the middle of an answer.
      connection.on("error", () => {});
      let head = "";
      connection.on("data", function read(chunk: Buffer) {
        head += chunk.toString("latin1");
        if (!head.includes("\r\n\r\n")) return;
        connection.off("data", read);
        serve(connection);
      });
      const serve = (connection: Socket) => {
        const path = head.split(" ")[1] ?? "";
        if (path === "/healthz") return connection.end("HTTP/1.1 204 No Content\r\n\r\n");
        this.heads.push(head);
        const responder = responders[path];
        return responder ? responder(connection, head) : connection.end("HTTP/1.1 404 Not Found\r\n\r\n");
      };
    });
  }

  /** Answers requests by their path, and the health path `/healthz` well. */
  static async listen(responders: Record<string, Responder>): Promise<Origin> {
    const origin = new Origin(responders);
    origin.#server.listen(0, "127.0.0.1");
    await once(origin.#server, "listening");
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Waits until the proxy has closed every connection. */
  untilLeftAlone(deadline?: number): Promise<true> {
    return eventually("all connections are closed", () => this.#connections.size === 0, deadline);
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }
}
