// @jitsu/js on a server: its option s2s takes other routes than pages do.

import { jitsuAnalytics } from "@jitsu/js";
import { visitor } from "./visitor.mjs";

let step;
const jitsu = jitsuAnalytics({
  host: visitor.url,
  writeKey: `${visitor.key}:secret`,
  s2s: true,
  errorPolicy: () => visitor.gaveUp(step),
});
await jitsu.setAnonymousId(visitor.anonymousId);

step = "home";
await jitsu.page({ name: "Home", step });
step = "pricing";
await jitsu.page({ name: "Pricing", step });
step = "sign-in";
await jitsu.identify(visitor.userId, visitor.traits);
step = "purchase";
await jitsu.track("purchase", visitor.order);
step = "thanks";
await jitsu.page({ name: "Thanks", step });
visitor.end();
