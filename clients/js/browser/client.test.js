// The client in Chromium, against the running service.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  anonymousIdOf, launch, newBrowser, newExample, newFolder, newNetwork, newShop, read, storedEvents, trackIn, until,
} from "./world.js";

const NEVER = `/?options=${JSON.stringify({ flushInterval: 3_600_000 })}`;

/** A shop that is open in a browser that nobody has used before. */
async function open(t, path = "/", host = "127.0.0.1") {
  const network = await newNetwork(t);
  const shop = `http://${host}:${await newShop(t, network)}`;
  const browser = await newBrowser(t);
  const page = await browser.newPage();
  await page.goto(shop + path);
  return { network, shop, browser, page };
}

const flush = (page) => page.evaluate(() => Grouparoo.flush());
const idsOf = (events) => events.map((event) => event.messageId);

test("a visitor who signs in is one person, before and after, and through reloads", async (t) => {
  const { network, shop, page } = await open(t, "/?utm_source=google&token=secret");
  const user = `user-${Date.now()}`;

  await page.evaluate(() => Grouparoo.page());
  const anonymousId = await anonymousIdOf(page);
  await page.reload();
  await page.evaluate(() => Grouparoo.track({ type: "cart", data: { items: 2 } }));
  await page.goto(`${shop}/account`);
  await page.evaluate((userId) => Grouparoo.identify(userId, { plan: "pro" }), user);
  await page.goto(`${shop}/thanks`);
  await page.evaluate(() => Grouparoo.track({ type: "purchase", occurredAt: new Date("2026-01-02T03:04:05.678Z"), data: { price: 499.5 } }));
  assert.equal(await flush(page), true);

  assert.equal(await anonymousIdOf(page), anonymousId);
  const events = await storedEvents(anonymousId, 4);
  const byType = Object.fromEntries(events.map((event) => [event.type, event]));
  assert.equal(events.length, 4);
  assert.equal(new Set(events.map((event) => event.profileGuid)).size, 1);
  assert.deepEqual(byType.pageview.data, { host: new URL(shop).host, path: "/", title: "Shop", utm_source: "google" });
  assert.deepEqual(byType.identify.data, { plan: "pro" });
  assert.equal(byType.cart.userId, null);
  assert.deepEqual([byType.purchase.userId, byType.purchase.data], [user, { price: "499.5" }]);
  assert.ok(Math.abs(Date.parse(byType.purchase.occurredAt) - Date.parse("2026-01-02T03:04:05.678Z")) < 5000);
  const { profile } = await read(`/profiles/by/userId/${user}`);
  assert.equal(profile.guid, events[0].profileGuid);
  assert.ok(network.requests.every(({ method }) => method !== "OPTIONS"));
});

test("what happens offline is sent when the network is back, once", async (t) => {
  const { network, browser, page } = await open(t);

  await browser.setOffline(true);
  const said = await trackIn(page, 3);
  assert.equal(await page.evaluate(() => Grouparoo.flush(2000)), false);
  assert.deepEqual(network.sent(), []);
  await browser.setOffline(false);

  const events = await storedEvents(await anonymousIdOf(page), 3);
  assert.deepEqual(idsOf(events).sort(), said.sort());
});

test("what waits when the browser is closed is sent by the next page, days later", async (t) => {
  const network = await newNetwork(t);
  const shop = `http://127.0.0.1:${await newShop(t, network)}`;
  const folder = await newFolder(t);
  const before = await launch(folder);
  const page = await before.newPage();
  await page.goto(shop);
  await before.setOffline(true);
  const said = await trackIn(page, 3);
  const anonymousId = await anonymousIdOf(page);
  await page.close();
  await before.close();
  assert.deepEqual(network.sent(), []);

  const after = await launch(folder);
  t.after(() => after.close());
  await (await after.newPage()).goto(shop);

  const events = await storedEvents(anonymousId, 3);
  assert.deepEqual(idsOf(events).sort(), said.sort());
  assert.deepEqual(network.sent().sort(), said.sort());
});

test("answers that get lost double nothing", async (t) => {
  const { network, page } = await open(t);
  network.loseAnswers = 3; // of three, then two, then one: what is not answered may be too much

  const said = await trackIn(page, 3);
  await until("the end of the queue", () => flush(page));

  const events = await storedEvents(await anonymousIdOf(page), 3);
  assert.deepEqual(idsOf(events).sort(), said.sort());
  assert.ok(network.sent().length >= 9);
});

// Without https there are no Web Locks, and no crypto.randomUUID.
for (const [how, host] of [["by Web Locks", "127.0.0.1"], ["by a lease, on a page without https", "shop.test"]]) {
  test(`two tabs take turns ${how}, and each event is stored once`, async (t) => {
    const { network, shop, browser, page } = await open(t, "/", host);
    const other = await browser.newPage();
    await other.goto(shop);
    assert.equal(await page.evaluate(() => !!navigator.locks), host === "127.0.0.1");

    const said = [];
    for (let round = 0; round < 10; round++) said.push(...(await Promise.all([trackIn(page, 10), trackIn(other, 10)])));
    await Promise.all([page, other].map((tab) => until("the end of the queue", () => flush(tab))));

    // A tab that is slow to hear what another one has sent sends it again; without turns, both would send all.
    assert.ok(network.sent().length < 400, `${network.sent().length} were sent`);
    assert.deepEqual([...new Set(network.sent())].sort(), said.flat().sort());
    assert.equal(await anonymousIdOf(other), await anonymousIdOf(page));
    const events = await storedEvents(await anonymousIdOf(page), 200);
    assert.deepEqual(idsOf(events).sort(), said.flat().sort());
    assert.equal(new Set(events.map((event) => event.profileGuid)).size, 1);
  });
}

test("a tab that is closed while another one is open leaves its events to that", async (t) => {
  const { network, shop, browser, page } = await open(t);
  const closing = await browser.newPage();
  await closing.goto(shop + NEVER);
  await browser.setOffline(true);
  const said = await trackIn(closing, 3);
  await closing.close();
  await browser.setOffline(false);

  assert.equal(await flush(page), true);

  assert.deepEqual(network.sent().sort(), said.sort());
});

const LEAVE = {
  "goes to another page": (page, shop) => page.goto(`${shop}/blank`),
  "is closed": (page) => page.close({ runBeforeUnload: true }),
  "is hidden": (page) =>
    page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
    }),
};
for (const [how, leave] of Object.entries(LEAVE)) {
  test(`what is tracked right before the page ${how} arrives at once, and is stored once though it comes again`, async (t) => {
    const { network, shop, browser, page } = await open(t, NEVER);
    const anonymousId = await page.evaluate(() => (Grouparoo.track({ type: "visit" }), localStorage.getItem("grouparoo:anonymousId")));
    const said = await trackIn(page, 300);

    await leave(page, shop);
    const events = await storedEvents(anonymousId, 301);
    const posts = network.requests.filter(({ method }) => method === "POST");
    assert.ok(posts.every(({ type }) => type.startsWith("text/plain")));
    assert.ok(network.requests.every(({ method }) => method !== "OPTIONS"));

    const again = await browser.newPage();
    await again.goto(shop);
    assert.equal(await flush(again), true);
    assert.equal((await storedEvents(anonymousId, 301)).length, 301);
    assert.deepEqual(idsOf(events).filter((id) => said.includes(id)).length, 300);
  });
}

test("in a frame that may keep nothing, it sends all the same", async (t) => {
  const { network, page } = await open(t, "/framed");
  const frame = page.frames()[1];
  await frame.waitForFunction(() => globalThis.Grouparoo);

  const said = await trackIn(frame, 2);
  assert.equal(await flush(frame), true);

  assert.deepEqual(network.sent(), said);
  const ids = network.requests.flatMap(({ events }) => events ?? []).map((event) => event.anonymousId);
  assert.equal(new Set(ids).size, 1);
  assert.equal((await storedEvents(ids[0], 2)).length, 2);
});

for (const [name, value] of [["doNotTrack", "1"], ["globalPrivacyControl", true]]) {
  test(`who asks for ${name} is not tracked where the page respects it, and what was kept is forgotten`, async (t) => {
    const { network, shop, page } = await open(t);
    await page.evaluate(() => Grouparoo.identify("somebody"));
    await flush(page);
    const before = network.sent().length;

    await page.addInitScript(([its, set]) => Object.defineProperty(navigator, its, { value: set }), [name, value]);
    await page.goto(`${shop}/?options={"respectDoNotTrack":true}`);
    const said = await page.evaluate(() => [Grouparoo.track({ type: "visit" }), Grouparoo.identify("u"), Grouparoo.page(), localStorage.length]);
    assert.equal(await flush(page), true);

    assert.deepEqual(said, [undefined, undefined, undefined, 0]);
    assert.equal(network.sent().length, before);
  });
}

test("what the service refuses is told to onError, and its neighbours are stored", async (t) => {
  const { page } = await open(t);

  const errors = await page.evaluate(async () => {
    Grouparoo.track({ type: "good" });
    Grouparoo.track({ type: "" });
    await Grouparoo.flush();
    return errors;
  });

  assert.deepEqual(errors.map(({ code, dropped }) => [code, dropped.length]), [["invalid_event", 1]]);
  assert.match(errors[0].message, /^type: /);
  assert.equal((await storedEvents(await anonymousIdOf(page), 1)).length, 1);
});

test("the module that the service serves does the same in a page of another origin", async (t) => {
  const { network, page } = await open(t, "/blank");

  const messageId = await page.evaluate(async (url) => {
    const { default: Grouparoo } = await import(`${url}/clients/grouparoo.mjs`);
    Grouparoo.init({ apiKey: "no_such_key", endpoint: url, onError: (error) => (globalThis.told = error) });
    const said = Grouparoo.track({ type: "visit" });
    await Grouparoo.flush();
    return said;
  }, network.url);

  assert.deepEqual(network.sent(), [messageId]);
  const told = await page.evaluate(() => globalThis.told);
  assert.deepEqual([told.code, told.status, told.dropped.length], ["unknown_key", 401, 1]);
});

test("the example page tells of a person who buys, signs in, and buys again", async (t) => {
  const network = await newNetwork(t);
  const page = await (await newBrowser(t)).newPage();
  const user = `example-${Date.now()}`;
  await page.goto(`http://127.0.0.1:${await newExample(t, network)}`);

  await page.getByRole("button", { name: "Buy a lamp" }).click();
  await page.getByLabel("Your userId").fill(user);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Buy a sofa" }).click();

  const events = await storedEvents(await anonymousIdOf(page), 4);
  assert.deepEqual(events.map(({ type }) => type).sort(), ["identify", "pageview", "purchase", "purchase"]);
  assert.equal((await read(`/profiles/by/userId/${user}`)).profile.guid, events[0].profileGuid);
  assert.equal(await page.getByRole("listitem").count(), 3);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
  const before = await anonymousIdOf(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  assert.notEqual(await anonymousIdOf(page), before);
});
