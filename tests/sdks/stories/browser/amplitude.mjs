// @amplitude/analytics-browser. Its timer sends, not flush(), which drops what a 503 answers.

import * as amplitude from "@amplitude/analytics-browser";

export async function tell(visitor) {
  const settings = { serverUrl: `${visitor.url}/2/httpapi`, flushIntervalMillis: 100 };
  await amplitude.init(visitor.key, settings).promise;
  visitor.anonymousId = amplitude.getDeviceId();
  const told = async (step, { promise }) => (await promise).code === 200 || visitor.givenUp.push(step);
  await told("home", amplitude.track("page", { step: "home" }));
  await told("pricing", amplitude.track("page", { step: "pricing" }));
  amplitude.setUserId(visitor.userId);
  const identify = new amplitude.Identify();
  for (const [name, value] of Object.entries(visitor.traits)) identify.set(name, value);
  await told("sign-in", amplitude.identify(identify));
  await told("purchase", amplitude.track("purchase", visitor.order, { time: visitor.boughtAt.getTime() }));
}

export async function leave(visitor) {
  const { code } = await amplitude.track("page", { step: "thanks" }).promise;
  if (code !== 200) visitor.givenUp.push("thanks");
}
