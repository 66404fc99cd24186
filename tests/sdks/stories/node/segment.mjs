// @segment/analytics-node.

import { Analytics } from "@segment/analytics-node";
import { visitor } from "./visitor.mjs";

const analytics = new Analytics({ writeKey: visitor.key, host: visitor.url });
analytics.on("error", (error) => visitor.gaveUp(error.ctx?.event?.properties?.step ?? error.code));
const { anonymousId, userId } = visitor;

analytics.page({ anonymousId, name: "Home", properties: { step: "home" } });
await analytics.flush();
analytics.page({ anonymousId, name: "Pricing", properties: { step: "pricing" } });
await analytics.flush();
analytics.identify({ anonymousId, userId, traits: visitor.traits });
await analytics.flush();
analytics.alias({ previousId: anonymousId, userId });
await analytics.flush();
analytics.track({ userId, event: "purchase", properties: visitor.order, timestamp: visitor.boughtAt });
analytics.page({ userId, name: "Thanks", properties: { step: "thanks" } });
await analytics.closeAndFlush();
visitor.end();
