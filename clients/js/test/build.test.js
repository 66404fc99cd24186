import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { SERVED, scripts } from "../build.js";

const PACKAGE = new URL("../", import.meta.url);
const run = promisify(execFile);

for (const [name, text] of await scripts()) {
  test(`the service serves the ${name} that the sources make (npm run build makes it)`, async () => {
    assert.equal(await readFile(new URL(name, SERVED), "utf8"), text);
  });

  test(`${name} has less than 4 KiB, gzipped`, () => {
    const { length } = gzipSync(text, { level: 9 });
    assert.ok(length < 4096, `${length} bytes`);
  });
}

test("the module that is served is the client", async () => {
  const { default: Grouparoo } = await import(new URL("grouparoo.mjs", SERVED));
  for (const name of ["init", "track", "identify", "page", "reset", "flush"]) assert.equal(typeof Grouparoo[name], "function");
});

test("what npm would publish has all that package.json names, and no tests", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--offline"], { cwd: PACKAGE });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path);
  const { exports, types, unpkg } = JSON.parse(await readFile(new URL("package.json", PACKAGE)));

  const named = [...Object.values(exports["."]), exports["./grouparoo.js"], types, unpkg].map((path) => path.replace("./", ""));
  assert.deepEqual(named.filter((path) => !files.includes(path)), []);
  assert.deepEqual(files.filter((path) => !/^(src|dist)\/|^(README\.md|package\.json)$/.test(path)), []);
});

test("nothing is needed to run but what browsers and Node have", async () => {
  const { dependencies, peerDependencies } = JSON.parse(await readFile(new URL("package.json", PACKAGE)));
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
});

test("the types take what is right, and refuse what is wrong", async () => {
  await run("node_modules/.bin/tsc", ["--project", "test/types"], { cwd: PACKAGE });
});

test("package-lock.json names no registry", async () => {
  assert.doesNotMatch(await readFile(new URL("package-lock.json", PACKAGE), "utf8"), /"resolved"/);
});
