// The ports on which `npm start` listens.

import { createServer } from "node:net";
import { Failure } from "../process.mjs";

// As in wrangler.toml.
export const usualWorkerPort = 8787;

export const workerPort = portFrom("PORT", usualWorkerPort);
export const emulatorPort = portFrom("EMULATOR_PORT", 8700);

export async function checkPorts() {
  await checkFree("PORT", workerPort);
  await checkFree("EMULATOR_PORT", emulatorPort);
}

function portFrom(variable, usual) {
  return process.env[variable] ? Number(process.env[variable]) : usual;
}

function checkFree(variable, port) {
  return new Promise((resolve, reject) => {
    const advice = `Choose another one: ${variable}=${port + 1} npm start`;
    const refuse = (reason) => reject(new Failure(`port ${port}: ${reason}. ${advice}`));
    const server = createServer();
    server.once("error", (error) => refuse(error.code === "EADDRINUSE" ? "already taken" : error.message));
    server.listen(port, "127.0.0.1", () => server.close(resolve));
  });
}
