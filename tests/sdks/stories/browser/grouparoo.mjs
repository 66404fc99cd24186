// @grouparoo/client-web, the original client. What it has not sent is lost with the page.

import GrouparooWebClient from "@grouparoo/client-web";

let client;

export async function tell(visitor) {
  client = new GrouparooWebClient({ host: visitor.url, apiKey: visitor.key });
  visitor.anonymousId = client.anonymousId;
  client.page("shop", "Home", { step: "home" });
  client.page("shop", "Pricing", { step: "pricing" });
  client.identify(visitor.userId, visitor.traits);
  client.track("purchase", visitor.order, visitor.boughtAt);
}

export async function leave() {
  client.page("shop", "Thanks", { step: "thanks" });
}
