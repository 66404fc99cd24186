// mixpanel; its mode is "get" (each event its own GET /track) or "batch" (POST /track).

import Mixpanel from "mixpanel";
import { mode, visitor } from "./visitor.mjs";

const mixpanel = Mixpanel.init(visitor.key, { host: visitor.host, protocol: "http" });
const { anonymousId, userId } = visitor;

// A promise for each call with a callback: it never fails, for what fails is given up.
const tell = (step, call) => new Promise((resolve) => call((failed) => resolve(failed && visitor.gaveUp(step))));

const track = (event, properties) =>
  tell(properties.step, (done) =>
    mode === "batch" ? mixpanel.track_batch([{ event, properties }], done) : mixpanel.track(event, properties, done)
  );

await track("page", { distinct_id: anonymousId, step: "home", time: new Date() });
await track("page", { distinct_id: anonymousId, step: "pricing", time: new Date() });
await tell("alias", (done) => mixpanel.alias(anonymousId, userId, done));
await tell("people", (done) => mixpanel.people.set(userId, { ...visitor.traits, step: "people" }, done));
await track("purchase", { distinct_id: userId, ...visitor.order, time: visitor.boughtAt });
await track("page", { distinct_id: userId, step: "thanks", time: new Date() });
visitor.end();
