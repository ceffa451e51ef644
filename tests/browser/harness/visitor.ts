import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { type BrowserContext, type BrowserContextOptions, chromium, type Page, type Request } from "playwright-core";
import { expect } from "vitest";
import { eventually } from "../../harness/eventually.ts";
import { test as base } from "../../harness/test.ts";
import { root } from "../../harness/root.ts";

const screenshots = join(root, "tests", "browser", "screenshots");

export interface Visit extends BrowserContextOptions {
  /** Console messages and errors that the test provokes on purpose. */
  mayComplain?: RegExp;
}

/** A visitor with a browser; records every complaint. */
export class Visitor {
  readonly page: Page;
  /** Errors, console messages and requests to other origins than the proxy. */
  readonly complaints: string[] = [];
  /** The documents loaded so far: status and URL. */
  readonly documents: { status: number; url: string }[] = [];
  readonly #home: string;
  readonly #mayComplain: RegExp | undefined;

  private constructor(page: Page, home: string, mayComplain: RegExp | undefined) {
    this.page = page;
    this.#home = home;
    this.#mayComplain = mayComplain;
    const complain = (what: string) => {
      if (!this.#mayComplain?.test(what)) this.complaints.push(what);
    };
    page.on("pageerror", (error) => complain(`exception: ${error}`));
    page.on("console", (message) => {
      // The console reports the waiting page itself, which is a 503.
      const isStatus = /status of 50[234]/.test(message.text()) && !message.location().url.includes("/_vmproxy/");
      // The app has no icon; that is no complaint either.
      const isIcon = message.location().url.endsWith("/favicon.ico") && this.documents.at(-1)?.status === 200;
      if (["error", "warning"].includes(message.type()) && !isStatus && !isIcon) complain(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "data:" && url.origin !== home) complain(`request: ${url}`);
    });
    page.on("response", (response) => {
      if (isDocument(response.request())) this.documents.push({ status: response.status(), url: response.url() });
    });
  }

  static async open(context: BrowserContext, home: string, mayComplain?: RegExp): Promise<Visitor> {
    return new Visitor(await context.newPage(), home, mayComplain);
  }

  /** Returns the element with this `data-vmproxy` mark. */
  marked(mark: string) {
    return this.page.locator(`[data-vmproxy="${mark}"]`);
  }

  /** Stops the page's clock: only `page.clock` advances it, however busy the machine is. */
  async stopClock(): Promise<void> {
    const now = Date.now();
    await this.page.clock.install({ time: now });
    await this.page.clock.pauseAt(now + 1000);
  }

  /** The number of waiting pages shown. */
  get waits(): number {
    return this.documents.filter(({ status }) => status === 503).length;
  }

  async untilArrived(path: string): Promise<void> {
    await eventually("the app is shown", async () => (await this.page.content()).includes('"instance":"backend"'));
    expect(this.page.url()).toBe(this.#home + path);
  }

  /** Returns the serious accessibility violations that axe-core finds. */
  async accessibilityViolations(): Promise<string[]> {
    // Code evaluated by the debugger is exempt from the page's content security policy.
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
  }

  async screenshot(name: string): Promise<void> {
    mkdirSync(screenshots, { recursive: true });
    await this.page.screenshot({ path: join(screenshots, `${name}.png`) });
  }

  /** Whether the page needs horizontal scrolling. */
  overflows(): Promise<boolean> {
    return this.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  }
}

function isDocument(request: Request): boolean {
  return request.isNavigationRequest() && request.frame().parentFrame() === null;
}

/** A test with visitors; fails if any of them has a complaint. */
export const test = base.extend<{ visit: (home: string, how?: Visit) => Promise<Visitor> }>({
  visit: async ({}, use) => {
    const browser = await chromium.launch({
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      // Containers have no sandbox. Chromium must make no requests of its own.
      args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    const visitors: Visitor[] = [];
    try {
      await use(async (home, { mayComplain, ...options } = {}) => {
        const context = await browser.newContext({ viewport: { width: 900, height: 640 }, ...options });
        const visitor = await Visitor.open(context, home, mayComplain);
        visitors.push(visitor);
        return visitor;
      });
      for (const { complaints } of visitors) expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  },
});
