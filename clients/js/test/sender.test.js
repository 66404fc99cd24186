import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Pause } from "../src/pause.js";
import { Queue } from "../src/queue.js";
import { Sender } from "../src/sender.js";
import { sleep } from "../src/sleep.js";
import { Store } from "../src/store.js";
import { accepted, refusal, serve } from "./service.js";

let service;
afterEach(() => service.close());

/** A sender to a service that answers so, the pause it keeps, and how to add events. */
async function connect(answer) {
  service = await serve(answer);
  const store = new Store();
  const queue = new Queue(store, 100, service.url);
  const pause = new Pause(store);
  const sender = new Sender({ url: service.url, store, queue, pause, intervalMs: 5, report: () => {} });
  const add = (messageId) => sender.added(queue.add("_key", { type: "visit", messageId }));
  return { sender, queue, pause, add };
}

test("when the network is back early, what is added then does not wait for the end of the pause", async () => {
  const away = { ...refusal(503, "unavailable"), headers: { "Retry-After": "300" } };
  const { sender, queue, pause, add } = await connect((body, n) => (n === 1 ? away : accepted(body)));
  add("before");
  await sender.send();

  pause.end();
  await sender.send();
  add("after");
  for (let i = 0; i < 100 && queue.keys.length; i++) await sleep(10);

  assert.deepEqual(service.events().map((event) => event.messageId), ["before", "before", "after"]);
});

test("over a line that breaks when a body has more than two events, all of them arrive", async () => {
  const { sender, queue, pause, add } = await connect((body) => (body.events.length > 2 ? "nothing" : accepted(body)));
  for (let n = 0; n < 20; n++) add(`m${n}`);

  for (let i = 0; i < 30 && queue.keys.length; i++) {
    await sender.send();
    pause.end();
  }

  assert.deepEqual(queue.keys, []);
});
