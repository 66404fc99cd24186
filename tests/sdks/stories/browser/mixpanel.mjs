// mixpanel-browser.

import mixpanel from "mixpanel-browser";

export async function tell(visitor) {
  mixpanel.init(visitor.key, { api_host: visitor.url, batch_flush_interval_ms: 1000 });
  visitor.anonymousId = mixpanel.get_property("$device_id");
  mixpanel.track("page", { step: "home" });
  await visitor.rest();
  mixpanel.track("page", { step: "pricing" });
  mixpanel.identify(visitor.userId);
  mixpanel.people.set({ ...visitor.traits, step: "people" });
  await visitor.rest();
  mixpanel.track("purchase", { ...visitor.order, time: visitor.boughtAt.getTime() / 1000 });
}

export async function leave() {
  mixpanel.track("page", { step: "thanks" });
}
