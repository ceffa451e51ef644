import { generateKeyPairSync } from "node:crypto";
import { interleaved } from "./rounds.ts";
import { atMost, median, type Row, row } from "./rows.ts";
import { baseline, type Code, vmproxy, Workerd } from "./workerd.ts";

const starts = 21;

/**
 * Measures the first response of a new runtime with vmproxy, less that with a Worker of one line:
 * the time to read, compile and instantiate the Worker, and to read its configuration.
 */
export async function isolateStart(): Promise<Row[]> {
  const vm = { path: "/", instance: { name: "backend", zone: "us-central1-a" } };
  const variables = { VMS: [vm], GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(serviceAccount()) };
  const start = await interleaved("isolate start", starts, {
    vmproxy: () => firstResponse(vmproxy(variables), "/_vmproxy/healthz"),
    hello: () => firstResponse(baseline("hello.js", {}), "/"),
  });
  const extra = median(start.vmproxy) - median(start.hello);
  return [row("isolate_start_ms", extra, "ms", atMost(extra, 50, "ms"))];
}

async function firstResponse(code: Code, path: string): Promise<number> {
  const begun = performance.now();
  const worker = await Workerd.start(code);
  try {
    const response = await fetch(worker.url + path);
    await response.text();
    if (!response.ok) throw new Error(`${path} responded with ${response.status}`);
    return performance.now() - begun;
  } finally {
    await worker.stop();
  }
}

function serviceAccount() {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return {
    type: "service_account",
    project_id: "project",
    private_key_id: "1",
    private_key: privateKey,
    client_email: "vmproxy@project.iam.gserviceaccount.com",
    token_uri: "https://oauth2.googleapis.com/token",
  };
}
