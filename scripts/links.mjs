// Finds links in the project's Markdown files that lead to no file or heading:
// `node scripts/links.mjs`.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./project.mjs";
import { Failure, main, output } from "./process.mjs";

export function checkLinks() {
  const files = output("git", ["ls-files", "*.md"], { cwd: root })?.split("\n") ?? [];
  const broken = files.flatMap((file) => brokenLinks(file).map((link) => `${file}: ${link}`));
  if (broken.length > 0) throw new Failure(`these links lead nowhere:\n${broken.join("\n")}`);
}

function brokenLinks(file) {
  const links = [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  return links.filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(file, link));
}

function leadsSomewhere(file, link) {
  const [path, anchor] = link.split("#");
  const target = path === "" ? file : normalize(join(dirname(file), path));
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || !target.endsWith(".md") || anchors(target).includes(anchor);
}

// Returns the anchors of a file's headings, as GitHub forms them.
function anchors(file) {
  const headings = [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
  return headings.map((heading) => heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-"));
}

// Returns the file's text without blocks of code.
function prose(file) {
  return readFileSync(join(root, file), "utf8").replace(/^ *```[^]*?^ *```$/gm, "");
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(checkLinks);
