// @snowplow/browser-tracker. What failed waits for the next event or flush: the page asks for one now and then.

import { flushBuffer, newTracker, setUserId, trackPageView, trackSelfDescribingEvent } from "@snowplow/browser-tracker";

const schema = (name) => `iglu:shop/${name}/jsonschema/1-0-0`;

export async function tell(visitor) {
  const tracker = newTracker("story", visitor.url, { appId: visitor.key });
  visitor.anonymousId = tracker.getDomainUserId();
  setInterval(flushBuffer, 1000);
  trackPageView({ title: "home" });
  await visitor.rest();
  trackPageView({ title: "pricing" });
  await visitor.rest();
  setUserId(visitor.userId);
  trackSelfDescribingEvent({ event: { schema: schema("sign-in"), data: visitor.traits } });
  await visitor.rest();
  const timestamp = { type: "ttm", value: visitor.boughtAt.getTime() };
  trackSelfDescribingEvent({ event: { schema: schema("purchase"), data: visitor.order }, timestamp });
}

export async function leave() {
  trackPageView({ title: "thanks" });
}
