import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Store } from "../src/store.js";
import { inTurn } from "../src/turn.js";
import { TestStorage } from "./storage.js";

const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");
afterEach(() => {
  delete globalThis.navigator;
  if (navigator) Object.defineProperty(globalThis, "navigator", navigator);
});

/** Web Locks whose `request` is this. */
function haveLocks(request) {
  Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
}

test("with Web Locks the work is done under the lock, once", async () => {
  const names = [];
  haveLocks((name, work) => (names.push(name), work()));

  const done = await inTurn(new Store(new TestStorage()), async (isOurTurn) => isOurTurn() && "done");

  assert.deepEqual([done, names], ["done", ["grouparoo:turn"]]);
});

test("where Web Locks are refused, as in a frame without an origin, the work is done by a lease", async () => {
  haveLocks(() => Promise.reject(new DOMException("access is denied", "SecurityError")));
  const storage = new TestStorage();

  const done = await inTurn(new Store(storage), async (isOurTurn) => isOurTurn() && storage.length && "done");

  assert.deepEqual([done, storage.length], ["done", 0]);
});

test("work that fails under the lock is not done again", async () => {
  haveLocks((name, work) => work());
  let count = 0;

  const done = inTurn(new Store(new TestStorage()), async () => {
    count++;
    throw new Error("it failed");
  });

  await assert.rejects(done, /it failed/);
  assert.equal(count, 1);
});
