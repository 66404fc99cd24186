// @snowplow/node-tracker; its mode is "post" or "get". What failed waits for the next flush: the app has to ask for it.

import { buildPageView, buildSelfDescribingEvent, newTracker } from "@snowplow/node-tracker";
import { mode, visitor } from "./visitor.mjs";

let waiting = 0;
const emitter = {
  endpoint: "127.0.0.1",
  protocol: "http",
  port: visitor.port,
  eventMethod: mode,
  onRequestSuccess: (events) => (waiting -= events.length),
  onRequestFailure: ({ events, willRetry }) => willRetry || visitor.gaveUp(String(events.length)),
};
const tracker = newTracker({ namespace: "story", appId: visitor.key }, emitter);
const schema = (name) => `iglu:shop/${name}/jsonschema/1-0-0`;

async function tell(event, ...more) {
  waiting += 1;
  tracker.track(event, ...more);
  while (waiting > 0) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await tracker.flush();
  }
}

const page = (step) => buildPageView({ pageUrl: `https://shop.example/?step=${step}`, pageTitle: step });
const self = (name, data) => buildSelfDescribingEvent({ event: { schema: schema(name), data } });

tracker.setDomainUserId(visitor.anonymousId);
await tell(page("home"));
await tell(page("pricing"));
tracker.setUserId(visitor.userId);
await tell(self("sign-in", visitor.traits));
await tell(self("purchase", visitor.order), [], { type: "ttm", value: visitor.boughtAt.getTime() });
await tell(page("thanks"));
visitor.end();
