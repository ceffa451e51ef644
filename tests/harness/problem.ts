import { expect } from "vitest";

/** Checks that an answer is problem details (RFC 9457), and returns what it tells. */
export async function expectProblem(response: Response, status: number, title: string): Promise<{ detail: string }> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as { detail: string };
  expect(problem).toEqual({ type: "about:blank", title, status, detail: expect.stringMatching(/\.$/) });
  return problem;
}
