import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { eventually } from "./eventually.ts";

/** Serves one request: writes any bytes to the connection. */
export type Responder = (connection: Socket, head: string) => void;

/** A server in the VM's place that sends whatever a test wants, not always HTTP. */
export class Origin {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  /** The heads of the requests received, without probes. */
  readonly heads: string[] = [];

  private constructor(responders: Record<string, Responder>) {
    this.#server = createServer((connection) => {
      this.#connections.add(connection);
      connection.on("close", () => this.#connections.delete(connection));
      // The proxy may disconnect in the middle of a response.
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

  /** Serves requests by path; the health path `/healthz` always succeeds. */
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
