// The browser of tests/browser/: the system's own, or the one that the variable CHROMIUM names.

import { existsSync } from "node:fs";
import { which } from "../process.mjs";
import { aptInstall, hasApt } from "./apt.mjs";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const elsewhere = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];

export const chromium = {
  task: "Install Chromium",
  duration: 60,
  byHand: () => (hasApt() ? "apt-get install chromium" : "Install Chromium or Google Chrome, or say where it is: CHROMIUM=/path/to/it"),
  isThere: () => program() !== undefined,
  // Without a font of its own it would show boxes.
  install: () => aptInstall(["chromium", "fonts-dejavu-core"]),
  program,
};

function program() {
  const named = process.env.CHROMIUM;
  if (named) return existsSync(named) ? named : undefined;
  return names.map(which).find(Boolean) ?? elsewhere.find(existsSync);
}
