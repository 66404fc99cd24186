// posthog-node; its mode is "v0" (POST /batch/) or "v1" (POST /i/v1/analytics/events).

import { PostHog } from "posthog-node";
import { mode, visitor } from "./visitor.mjs";

process.env.POSTHOG_CAPTURE_MODE = mode;
const posthog = new PostHog(visitor.key, { host: visitor.url });
posthog.on("error", (error) => visitor.gaveUp(String(error)));
const { anonymousId, userId } = visitor;

posthog.capture({ distinctId: anonymousId, event: "$pageview", properties: { step: "home" } });
await posthog.flush();
posthog.capture({ distinctId: anonymousId, event: "$pageview", properties: { step: "pricing" } });
await posthog.flush();
posthog.alias({ distinctId: userId, alias: anonymousId });
await posthog.flush();
posthog.identify({ distinctId: userId, properties: visitor.traits });
await posthog.flush();
posthog.capture({ distinctId: userId, event: "purchase", properties: visitor.order, timestamp: visitor.boughtAt });
posthog.capture({ distinctId: userId, event: "$pageview", properties: { step: "thanks" } });
await posthog.flush();
await posthog.shutdown();
visitor.end();
