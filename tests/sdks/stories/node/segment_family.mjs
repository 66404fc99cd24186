// analytics-node, Segment's older one, and @rudderstack/rudder-sdk-node, which has the same methods.

import { createRequire } from "node:module";
import { mode, visitor } from "./visitor.mjs";

const Analytics = createRequire(import.meta.url)(mode);
const errorHandler = (error) => visitor.gaveUp(String(error));
const analytics =
  mode === "analytics-node"
    ? new Analytics(visitor.key, { host: visitor.url, errorHandler })
    : new Analytics(visitor.key, { dataPlaneUrl: visitor.url, errorHandler });
const { anonymousId, userId } = visitor;

// Each call has a callback, called when its event is sent, or given up.
const tell = (call) => new Promise((resolve) => (call(resolve), analytics.flush()));

await tell((done) => analytics.page({ anonymousId, name: "Home", properties: { step: "home" } }, done));
await tell((done) => analytics.page({ anonymousId, name: "Pricing", properties: { step: "pricing" } }, done));
await tell((done) => analytics.identify({ anonymousId, userId, traits: visitor.traits }, done));
await tell((done) => analytics.alias({ previousId: anonymousId, userId }, done));
const purchase = { userId, event: "purchase", properties: visitor.order, timestamp: visitor.boughtAt };
analytics.track(purchase);
await tell((done) => analytics.page({ userId, name: "Thanks", properties: { step: "thanks" } }, done));
visitor.end();
