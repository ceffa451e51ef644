// The line of an error's key.

import { describe, expect, test } from "vitest";
import { parseJsonc } from "../../npm/command/check/jsonc.ts";
import { parseToml } from "../../npm/command/check/toml.ts";

const toml = `[[VMS]]
path = "/"
[VMS.instance]
zone = "a"
tags = [
  "a",
  { b = 1,
    c = 2 },
]
labels.a = ""
labels."a.b" = ""
labels."a.b.c" = ""
[[VMS]]
path = "/b"
instance = {}
`;

const jsonc = `{ // 1
  "VMS": [
    {
      "path": "/",
      "instance": { "zone": "a", "tags": [
        "a", { "b": 1,
        "c": 2 }], "labels": {
          "a": "",
          "a.b": "",
          "a.b.c": "",
        }
      }
    },
    { "path": "/b",
      "instance": {} }
  ]
}`;

describe.for<{ key: string; inToml: number; inJsonc: number }>([
  { key: "VMS", inToml: 1, inJsonc: 2 },
  { key: "VMS[0]", inToml: 1, inJsonc: 3 },
  { key: "VMS[0].path", inToml: 2, inJsonc: 4 },
  { key: "VMS[0].instance", inToml: 3, inJsonc: 5 },
  { key: "VMS[0].instance.tags", inToml: 5, inJsonc: 5 },
  { key: "VMS[0].instance.tags[0]", inToml: 6, inJsonc: 6 },
  { key: "VMS[0].instance.tags[1].c", inToml: 8, inJsonc: 7 },
  { key: "VMS[0].instance.labels.a", inToml: 10, inJsonc: 8 },
  { key: "VMS[0].instance.labels.a.b", inToml: 11, inJsonc: 9 },
  { key: "VMS[0].instance.labels.a.b.c", inToml: 12, inJsonc: 10 },
  { key: "VMS[1].path", inToml: 14, inJsonc: 14 },
  // A missing key is reported at the table around it, whose keys may have the same prefix.
  { key: "VMS[0].instance.zones", inToml: 3, inJsonc: 5 },
  { key: "VMS[1].instance.name", inToml: 15, inJsonc: 15 },
  { key: "VMS[2].path", inToml: 1, inJsonc: 2 },
  { key: "VMSX", inToml: 1, inJsonc: 1 },
])("$key", ({ key, inToml, inJsonc }) => {
  test("in TOML", () => expect(parseToml(toml).locate(key).line).toBe(inToml));
  test("in JSON", () => expect(parseJsonc(jsonc).locate(key).line).toBe(inJsonc));
});
