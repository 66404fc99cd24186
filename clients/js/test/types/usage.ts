import Grouparoo, { type GrouparooError } from "grouparoo-events";

Grouparoo.init({ apiKey: "_key", endpoint: "https://your-grouparoo-instance.company.com" });
Grouparoo.init({
  apiKey: "_key",
  flushInterval: 500,
  maxQueue: 100,
  respectDoNotTrack: true,
  storage: sessionStorage,
  onError: ({ code, message, dropped, status }: GrouparooError) => console.log(code, message, dropped[0]?.type, status),
});

const messageId: string | undefined = Grouparoo.track({
  anonymousId: "person_1",
  userId: 123,
  occurredAt: new Date(),
  type: "sign-in",
  data: { via: "google-sign-in", nested: { fine: [1, true, null] } },
});
Grouparoo.track({ type: "visit", userId: null, anonymousId: null, occurredAt: "2026-01-01T00:00:00Z", data: null, messageId });
Grouparoo.identify("u", { plan: "pro" });
Grouparoo.page();
Grouparoo.reset();
const isEmpty: boolean = await Grouparoo.flush(1000);

// @ts-expect-error: a key is needed
Grouparoo.init({});
// @ts-expect-error: a type is needed
Grouparoo.track({ userId: "u" });
// @ts-expect-error: a userId is needed
Grouparoo.identify();
// @ts-expect-error: the original client's misspelling
Grouparoo.track({ type: "visit", ocurredAt: 1 });

export { isEmpty };
