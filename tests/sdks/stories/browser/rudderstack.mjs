// @rudderstack/analytics-js/bundled: the package's other entries load their plugins from their maker.

import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

const analytics = new RudderAnalytics();

export async function tell(visitor) {
  analytics.load(visitor.key, visitor.url, { configUrl: visitor.url });
  await new Promise((resolve) => analytics.ready(resolve));
  visitor.anonymousId = analytics.getAnonymousId();
  analytics.page("Home", { step: "home" });
  analytics.page("Pricing", { step: "pricing" });
  analytics.identify(visitor.userId, visitor.traits);
  analytics.alias(visitor.userId);
  analytics.track("purchase", visitor.order, { originalTimestamp: visitor.boughtAt.toISOString() });
}

export async function leave() {
  analytics.page("Thanks", { step: "thanks" });
}
