// @segment/analytics-next; its mode is "inline" (cdnSettings in the page), "served" (GET /v1/projects/KEY/settings) or "batching".

import { AnalyticsBrowser } from "@segment/analytics-next";

let analytics;

export async function tell(visitor) {
  const to = { apiKey: visitor.key, apiHost: `${visitor.host}/v1`, protocol: "http" };
  const settings = { "Segment.io": visitor.mode === "batching" ? { ...to, deliveryStrategy: { strategy: "batching", config: { timeout: 1000 } } } : to };
  analytics = AnalyticsBrowser.load(
    visitor.mode === "served"
      ? { writeKey: visitor.key, cdnURL: visitor.url }
      : { writeKey: visitor.key, cdnSettings: { integrations: settings } },
    visitor.mode === "served" ? { integrations: settings } : {}
  );
  visitor.anonymousId = (await analytics.user()).anonymousId();
  const rest = visitor.mode === "batching" ? visitor.rest : async () => {};
  await analytics.page("Home", { step: "home" });
  await rest();
  await analytics.page("Pricing", { step: "pricing" });
  await rest();
  await analytics.identify(visitor.userId, visitor.traits);
  await analytics.alias(visitor.userId);
  await rest();
  await analytics.track("purchase", visitor.order, { timestamp: visitor.boughtAt });
}

export async function leave() {
  analytics.page("Thanks", { step: "thanks" });
}
