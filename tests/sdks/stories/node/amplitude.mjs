// @amplitude/analytics-node. Its timer sends, not flush(), which drops what a 503 answers.

import { Identify, createInstance } from "@amplitude/analytics-node";
import { mode, visitor } from "./visitor.mjs";

const amplitude = createInstance();
const useBatch = mode === "batch";
const serverUrl = visitor.url + (useBatch ? "/batch" : "/2/httpapi");
await amplitude.init(visitor.key, { serverUrl, useBatch, flushIntervalMillis: 50 }).promise;
const { anonymousId, userId } = visitor;

async function tell(step, { promise }) {
  const { code } = await promise;
  if (code !== 200) visitor.gaveUp(step);
}

await tell("home", amplitude.track("page", { step: "home" }, { device_id: anonymousId }));
await tell("pricing", amplitude.track("page", { step: "pricing" }, { device_id: anonymousId }));
const identify = new Identify();
for (const [name, value] of Object.entries(visitor.traits)) identify.set(name, value);
await tell("sign-in", amplitude.identify(identify, { user_id: userId, device_id: anonymousId }));
const signedIn = { user_id: userId, device_id: anonymousId };
await tell("purchase", amplitude.track("purchase", visitor.order, { ...signedIn, time: visitor.boughtAt.getTime() }));
await tell("thanks", amplitude.track("page", { step: "thanks" }, signedIn));
visitor.end();
