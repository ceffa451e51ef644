// The browser of tests/browser/: the system's, or the one in the variable CHROMIUM.

import { existsSync } from "node:fs";
import { which } from "../process.mjs";
import { aptInstall, hasApt } from "./apt.mjs";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const elsewhere = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];

export const chromium = {
  task: "Install Chromium",
  duration: 60,
  manualCommand: () => (hasApt() ? "apt-get install chromium" : "install Chromium or Google Chrome, or set its path: CHROMIUM=/path/to/chromium"),
  isInstalled: () => program() !== undefined,
  // Without a font, Chromium would show boxes instead of text.
  install: () => aptInstall(["chromium", "fonts-dejavu-core"]),
  program,
};

function program() {
  const named = process.env.CHROMIUM;
  if (named) return existsSync(named) ? named : undefined;
  return names.map(which).find(Boolean) ?? elsewhere.find(existsSync);
}
