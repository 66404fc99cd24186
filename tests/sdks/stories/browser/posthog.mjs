// posthog-js, and posthog-js-1.130, its form of 2024.

import current from "posthog-js";
import old from "posthog-js-1.130";

const MODES = { current, old };
let posthog;

export async function tell(visitor) {
  posthog = MODES[visitor.mode];
  posthog.init(visitor.key, { api_host: visitor.url, capture_pageview: false, opt_out_useragent_filter: true });
  visitor.anonymousId = posthog.get_distinct_id();
  posthog.capture("$pageview", { step: "home" });
  await visitor.rest();
  posthog.capture("$pageview", { step: "pricing" });
  await visitor.rest();
  posthog.identify(visitor.userId, visitor.traits);
  await visitor.rest();
  posthog.capture("purchase", visitor.order, { timestamp: visitor.boughtAt });
}

export async function leave() {
  posthog.capture("$pageview", { step: "thanks" }, { send_instantly: true });
}
