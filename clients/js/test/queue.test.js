import assert from "node:assert/strict";
import { test } from "node:test";
import { Queue } from "../src/queue.js";
import { Store } from "../src/store.js";
import { TestStorage } from "./storage.js";

/** Add an event of this many characters, if it is taken. */
function tryToAdd(queue, characters) {
  try {
    queue.add("_key", { type: "large", data: { text: "x".repeat(characters) } });
  } catch (error) {
    assert.ok(error instanceof RangeError);
  }
}

test("many tabs together leave most of the origin's storage to the site", () => {
  const storage = new TestStorage();
  const tabs = Array.from({ length: 5 }, () => new Queue(new Store(storage), 1000, "https://events.example.com/api/v1/batch"));

  for (let n = 0; n < 40; n++) for (const queue of tabs) tryToAdd(queue, 30_000);

  const texts = Array.from({ length: storage.length }, (_, index) => storage.getItem(storage.key(index)));
  assert.ok(texts.join("").length < 1_600_000);
});
