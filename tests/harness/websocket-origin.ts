import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { eventually } from "./eventually.ts";

/** Serves one WebSocket. */
export type Conduct = (socket: WebSocket) => void;

/** A WebSocket server in the VM's place. */
export class WebSocketOrigin {
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024 * 1024,
    handleProtocols: (offered) => [...offered].at(-1) ?? false,
  });
  /** The headers of the upgrade requests received. */
  readonly upgrades: string[][] = [];
  /** The closes as the server received them, with their paths. */
  readonly #closes: { path: string; code: number; reason: string }[] = [];

  private constructor(conducts: Record<string, Conduct>) {
    this.#server = createServer((_, response) => response.writeHead(204).end());
    this.#server.on("upgrade", (request, connection, head): unknown => {
      this.upgrades.push(request.rawHeaders);
      connection.on("error", () => {});
      const path = request.url ?? "";
      if (path === "/forbidden") {
        return connection.end("HTTP/1.1 403 Forbidden\r\nx-own: 1\r\ncontent-length: 7\r\n\r\nnot you");
      }
      if (path === "/wrong-accept") {
        const accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        return connection.end(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n${accept}\r\n\r\n`);
      }
      return this.#sockets.handleUpgrade(request, connection, head, (socket) => {
        socket.on("error", () => {});
        socket.on("close", (code, reason) => this.#closes.push({ path, code, reason: reason.toString() }));
        const conduct = conducts[path];
        if (conduct) return conduct(socket);
        return socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }));
      });
    });
  }

  /** Starts a server that echoes on every path that has no conduct. */
  static async listen(conducts: Record<string, Conduct>): Promise<WebSocketOrigin> {
    const origin = new WebSocketOrigin(conducts);
    origin.#server.listen(0, "127.0.0.1");
    await once(origin.#server, "listening");
    return origin;
  }

  /** Waits until a WebSocket at this path is closed, and returns the close. */
  async closed(path: string): Promise<[code: number, reason: string]> {
    const { code, reason } = await eventually(`the VM's ${path} is closed`, () => this.#closes.find((close) => close.path === path));
    return [code, reason];
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
