// @jitsu/js in a page.

import { jitsuAnalytics } from "@jitsu/js";

let jitsu;

export async function tell(visitor) {
  jitsu = jitsuAnalytics({ host: visitor.url, writeKey: `${visitor.key}:secret` });
  await jitsu.page({ name: "Home", step: "home" });
  await jitsu.page({ name: "Pricing", step: "pricing" });
  await jitsu.identify(visitor.userId, visitor.traits);
  await jitsu.track("purchase", visitor.order);
  visitor.anonymousId = jitsu.getState("user").anonymousId;
}

export async function leave() {
  jitsu.page({ name: "Thanks", step: "thanks" });
}
