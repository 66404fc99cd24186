import assert from "node:assert/strict";
import { test } from "node:test";
import { Pause, backoffMs, retryAfterMs } from "../src/pause.js";
import { Store } from "../src/store.js";

const NOW = Date.parse("2026-01-01T00:00:00Z");

test("the backoff doubles up to five minutes, and takes any part of that", () => {
  assert.deepEqual([1, 2, 3, 9, 10, 1000].map((failures) => backoffMs(failures, 1)), [1000, 2000, 4000, 256_000, 300_000, 300_000]);
  assert.deepEqual([0, 0.5].map((random) => backoffMs(3, random)), [0, 2000]);
});

// RFC 9110: seconds, or a date in one of three forms.
const RETRY_AFTER = [
  ["7", 7000], ["0", 0], ["Thu, 01 Jan 2026 00:01:30 GMT", 90_000], ["Thu, 01 Jan 2026 00:00:00 GMT", 0],
  ["Wed, 31 Dec 2025 00:00:00 GMT", 0], ["999999999", 86_400_000], ["soon", 0], ["-5", 0], ["", 0], [null, 0], [undefined, 0],
];
for (const [text, ms] of RETRY_AFTER) {
  test(`Retry-After: ${text} is ${ms} ms`, () => assert.equal(retryAfterMs(text, NOW), ms));
}

test("failures are counted while they are of one kind, and forgotten with an answer", () => {
  const pause = new Pause(new Store());

  const counts = [0, 0, 503, 502, 403].map((status) => (pause.begin(status), pause.failures));
  pause.end();

  assert.deepEqual([...counts, pause.failures, pause.ms], [1, 2, 1, 2, 1, 0, 0]);
});

test("failures of one kind lend no weight to another", () => {
  const pause = new Pause(new Store());
  for (let count = 0; count < 10; count += 1) pause.begin(503);

  assert.deepEqual([503, 502, 403, 0].map((status) => pause.failuresLike(status)), [10, 10, 0, 0]);
});

test("the network's return ends what the network began, and not what the server said", () => {
  for (const [status, isOver] of [[0, true], [503, false]]) {
    const pause = new Pause(new Store());
    pause.begin(status, "60");
    pause.endIfOffline();
    assert.equal(pause.ms === 0, isOver);
  }
});

test("a clock that was set back does not make a pause of years", () => {
  const store = new Store();
  store.set("grouparoo:pause", `${Date.now() + 3 * 86_400_000} 1 503`);
  assert.equal(new Pause(store).ms, 0);
});
