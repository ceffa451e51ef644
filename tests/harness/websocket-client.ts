import { once } from "node:events";
import { type ClientOptions, type RawData, WebSocket } from "ws";
import { eventually } from "./eventually.ts";
import type { Worker } from "./worker.ts";

type Message = string | Buffer;

/** A WebSocket client that records all it receives. */
export class Client {
  readonly socket: WebSocket;
  /** The headers of the response. */
  headers: string[] = [];
  readonly messages: Message[] = [];
  closed: [code: number, reason: string] | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("upgrade", ({ rawHeaders }) => (this.headers = rawHeaders));
    socket.on("message", (data: RawData, isBinary) => this.messages.push(isBinary ? (data as Buffer) : data.toString()));
    socket.on("close", (code, reason) => (this.closed = [code, reason.toString()]));
  }

  static async open(worker: Worker, path: string, protocols: string[] = [], options: ClientOptions = {}): Promise<Client> {
    const url = worker.url.replace(/^http/, "ws") + path;
    const client = new Client(new WebSocket(url, protocols, { perMessageDeflate: false, ...options }));
    await once(client.socket, "open");
    client.socket.on("error", () => {});
    return client;
  }

  /** Waits until this many messages have been received. */
  async received(count: number): Promise<Message[]> {
    await eventually(`${count} messages are received`, () => {
      if (this.messages.length < count) throw new Error(`${this.messages.length} are received`);
      return true;
    });
    return this.messages;
  }

  /** Waits for the close. */
  end(): Promise<[code: number, reason: string]> {
    return eventually("the WebSocket is closed", () => this.closed);
  }
}
