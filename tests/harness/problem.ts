import { expect } from "vitest";

/** Checks that an answer is problem details (RFC 9457), and returns what it tells. */
export async function expectProblem(answer: Response, status: number, title: string): Promise<{ detail: string }> {
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await answer.json()) as { detail: string };
  expect(problem).toEqual({ type: "about:blank", title, status, detail: expect.stringMatching(/\.$/) });
  return problem;
}
