import { expect } from "vitest";

/** Checks that a response is problem details (RFC 9457), and returns them. */
export async function expectProblem(response: Response, status: number, title: string): Promise<{ detail: string }> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as { detail: string };
  expect(problem).toEqual({ type: "about:blank", title, status, detail: expect.stringMatching(/\.$/) });
  return problem;
}
