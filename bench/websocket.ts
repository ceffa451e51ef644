import { acceptsWebSockets, messages } from "./messages.ts";
import { interleaved } from "./rounds.ts";
import { atLeastOf, compared, type Row } from "./rows.ts";
import { Site } from "./site.ts";
import { baseline, type Code, vmproxy } from "./workerd.ts";

const rounds = 9;
const milliseconds = 2000;

/**
 * Measures WebSocket messages per second to the VM and back, beside JavaScript relays over the same
 * transport.
 */
export async function webSockets(): Promise<Row[]> {
  const site = await Site.demo();
  const start = async (code: Code) => `${(await site.run(code)).url}/ws`;
  try {
    const ip = await start(vmproxy(await site.variables("http://{ip}:{port}")));
    await fetch(new URL("/status/200", ip));
    const address = await site.address();
    const name = await start(vmproxy(await site.variables(`http://${nameOf(address)}`)));
    await fetch(new URL("/status/200", name));
    const variables = { ORIGIN: `http://${address}`, ADDRESS: address };
    const overFetch = await start(baseline("websocket_fetch.js", variables));
    const overSocket = await start(baseline("websocket_socket.js", variables));
    if (!(await acceptsWebSockets(ip)) || !(await acceptsWebSockets(name))) {
      throw new Error("vmproxy did not open a WebSocket");
    }
    const rate = await interleaved("WebSocket messages", rounds, {
      overSocket: () => messages(overSocket, milliseconds),
      ip: () => messages(ip, milliseconds),
      overFetch: () => messages(overFetch, milliseconds),
      name: () => messages(name, milliseconds),
    });
    return [
      compared("websocket_rate", "messages/s", rate.ip, rate.overSocket, atLeastOf(0.8)),
      compared("websocket_rate_name", "messages/s", rate.name, rate.overFetch, atLeastOf(0.8)),
    ];
  } finally {
    await site.stop();
  }
}

/**
 * Returns the address as one number, which a URL allows as a host: not being written as an address,
 * it is reached by fetch().
 */
function nameOf(address: string): string {
  const [ip = "", port] = address.split(":");
  return `${ip.split(".").reduce((number, part) => number * 256 + Number(part), 0)}:${port}`;
}
