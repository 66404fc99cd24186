// Programs of one's own, run by node.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { refusal, serve } from "./service.js";

const PACKAGE = new URL("../", import.meta.url);

/** What a program that begins like this prints; it fails unless it ends by itself. */
async function run(url, text, ...flags) {
  const begin = `import Grouparoo from "grouparoo-events"; Grouparoo.init({apiKey: "_key", endpoint: ${JSON.stringify(url)}, onError: () => {}});`;
  const options = { cwd: PACKAGE, timeout: 20_000 };
  return (await promisify(execFile)(process.execPath, [...flags, "--input-type=module", "-e", begin + text], options)).stdout;
}

test("a program that only tracks and ends has sent its events", async () => {
  const service = await serve();

  await run(service.url, `Grouparoo.track({type: "visit", userId: "u"})`);
  service.close();

  assert.equal(service.events().length, 1);
});

test("an outage keeps no program from its end", async () => {
  const service = await serve(() => ({ ...refusal(503, "unavailable"), headers: { "Retry-After": "60" } }));

  const printed = await run(service.url, `
    Grouparoo.track({type: "visit", userId: "u"});
    console.log(await Grouparoo.flush(100));
  `);
  service.close();

  assert.equal(printed, "false\n");
});

test("the example for Node sends its events", async () => {
  const service = await serve();

  const environ = { ...process.env, GROUPAROO_URL: service.url, GROUPAROO_KEY: "_key" };
  await promisify(execFile)(process.execPath, ["example/script.js"], { cwd: PACKAGE, env: environ, timeout: 20_000 });
  service.close();

  assert.deepEqual(service.events().map(({ type, userId }) => [type, userId]), [["purchase", "ann"], ["purchase", "bob"]]);
});
