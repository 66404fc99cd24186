// What the driver asks of a page in which a story was bundled (as "story").

import { leave, tell } from "story";

const said = window.said;

const visitor = {
  ...said,
  host: new URL(said.url).host,
  traits: { step: "sign-in", ...said.traits },
  order: { step: "purchase", ...said.order },
  boughtAt: new Date(said.boughtAt),
  givenUp: [],

  // As long as an SDK waits before it sends what was told meanwhile.
  rest: () => new Promise((resolve) => setTimeout(resolve, 3200)),
};

const told = () => ({ anonymousId: visitor.anonymousId, givenUp: visitor.givenUp });

window.tell = async () => (await tell(visitor), told());
window.leave = async () => (await leave(visitor), told());
