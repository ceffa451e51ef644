import { checkDeployment } from "./deployment.ts";
import type { Environment } from "./environment.ts";
import { workerEnv } from "./worker-env.ts";

/**
 * The Worker's check of the variables and bindings that it gets: the first invalid key and its
 * problem.
 */
export type WorkerCheck = (env: Record<string, unknown>) => Problem | undefined;

export type Problem = [key: string, problem: string];

/** Something that is wrong in the file. */
export interface Finding {
  line: number;
  key: string;
  problem: string;
}

/** Returns all that is wrong with an environment. */
export function checkConfiguration(environment: Environment, workerCheck: WorkerCheck): Finding[] {
  const found = workerCheck(workerEnv(environment));
  const inWorker = (found ? [found] : []).map(([key, problem]) => ({ line: environment.vars.locate(key).line, key, problem }));
  return [...inWorker, ...checkDeployment(environment)];
}
