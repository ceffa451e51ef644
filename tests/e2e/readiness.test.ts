// When a VM is ready, and what does not delay it.

import { describe, expect } from "vitest";
import { expectProblem } from "../harness/problem.ts";
import { test } from "../harness/test.ts";

test("a VM whose health path is slow becomes ready", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { health_path: "/slow/2500" } });

  const response = await worker.fetch("/");

  expect(response.status).toBe(200);
  expect(await worker.vm()).toMatchObject({ state: "running", error: null });
  expect(await cloud.operations()).toEqual(["insert"]);
});

describe("an access token that is revoked before its time", () => {
  test.for(["instances.get", "instances.insert", "zoneOperations.wait"])(
    "(during %s) is replaced, and the request answered",
    async (method, { launch }) => {
      const { cloud, worker } = await launch();
      await cloud.fault({ method, status: 401 });

      expect((await worker.fetch("/")).status).toBe(200);

      expect(await cloud.calls()).toMatchObject({ token: 2, "instances.insert": method === "instances.insert" ? 2 : 1 });
      expect(await cloud.operations()).toEqual(["insert"]);
      expect(await worker.vm()).toMatchObject({ state: "running", error: null });
    },
  );

  test("(again and again) is a 502 after the second", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await cloud.fault({ method: "instances.get", times: 9, status: 401 });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect(await cloud.calls()).toEqual({ token: 2, "instances.get": 2 });
    expect((await worker.vm()).error).toContain("401");
  });
});
