import assert from "node:assert/strict";
import { test } from "node:test";
import { fateOf } from "../src/answer.js";

const error = { error: { code: "code", message: "why", details: {} } };
const policy = { error: "blocked by policy" };
const outcomes = { error: { code: "invalid_event", message: "none", details: { events: [{ index: 0, ...error }] } } };

// Status, body, events in the batch, failures before, and what becomes of them.
const FATES = [
  [202, { events: [] }, 2, 0, "answered"],
  [200, { events: [] }, 2, 0, "answered"],
  [200, null, 2, 0, "later"],
  [204, null, 2, 0, "later"],
  [400, outcomes, 2, 0, "refused"],
  [400, error, 2, 0, "smaller"],
  [400, error, 1, 0, "refused"],
  [401, error, 2, 0, "refused"],
  [403, error, 2, 0, "refused"],
  [413, error, 2, 0, "smaller"],
  [413, null, 2, 0, "smaller"],
  [413, null, 1, 0, "refused"],
  [400, null, 1, 9, "later"],
  [403, null, 2, 9, "later"],
  [403, null, 2, 10, "smaller"],
  [403, null, 1, 10, "refused"],
  [403, policy, 2, 0, "later"],
  [401, policy, 1, 0, "later"],
  [400, { error: { code: 400 } }, 1, 0, "later"],
  [403, policy, 2, 10, "smaller"],
  [404, error, 1, 99, "later"],
  [405, error, 1, 99, "later"],
  [408, null, 1, 99, "later"],
  [429, error, 1, 99, "later"],
  [500, error, 1, 99, "later"],
  [503, error, 1, 99, "later"],
  [0, undefined, 1, 99, "later"],
];
for (const [status, body, count, failures, fate] of FATES) {
  const whose = typeof body?.error?.code === "string" ? "our" : "another's";
  test(`${whose} ${status} for ${count} events after ${failures} failures: ${fate}`, () => {
    assert.equal(fateOf({ status, body }, count, failures), fate);
  });
}
