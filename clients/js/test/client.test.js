import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Client } from "../src/client.js";
import { accepted, refusal, serve } from "./service.js";
import { TestStorage } from "./storage.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let open = [];
afterEach(() => {
  for (const one of open) one.close();
  open = [];
});

/** A client of a service that answers so; its errors as they were told. */
async function connect({ answer, service, ...options } = {}) {
  const its = service ?? (await serve(answer));
  open.push(its);
  const errors = [];
  const client = new Client();
  client.init({ apiKey: "_key", endpoint: its.url, flushInterval: 5, onError: (error) => errors.push(error), ...options });
  return { client, service: its, errors };
}

/** Somebody who has signed in on a device. */
const device = (options) => connect({ storage: new TestStorage(), ...options });

test("the seed's calls are sent as they are written there", async () => {
  const { client: Grouparoo, service } = await connect();
  const moment = new Date("2026-01-02T03:04:05.678Z");

  Grouparoo.track({ anonymousId: "person_1", occurredAt: moment, type: "pageview", data: { path: "/", utm_source: "google" } });
  Grouparoo.track({ anonymousId: "person_1", userId: 123, occurredAt: moment, type: "sign-in", data: { via: "google-sign-in" } });
  assert.equal(await Grouparoo.flush(), true);

  const [{ apiKey, sentAt, events }] = service.bodies;
  assert.equal(apiKey, "_key");
  assert.ok(Math.abs(Date.parse(sentAt) - Date.now()) < 60_000);
  const [first, second] = events.map(({ messageId, ...rest }) => (assert.match(messageId, UUID), rest));
  const occurredAt = "2026-01-02T03:04:05.678Z";
  assert.deepEqual(first, { anonymousId: "person_1", occurredAt, type: "pageview", data: { path: "/", utm_source: "google" } });
  assert.deepEqual(second, { anonymousId: "person_1", userId: 123, occurredAt, type: "sign-in", data: { via: "google-sign-in" } });
});

test("a body is plain text to the batch route below the endpoint, with nothing that a browser would ask for first", async () => {
  const { client, service } = await connect();

  client.track({ userId: "u", type: "visit" });
  await client.flush();

  const [{ method, url, headers }] = service.requests;
  assert.deepEqual([method, url], ["POST", "/api/v1/batch"]);
  assert.match(headers["content-type"], /^text\/plain/);
  assert.equal(headers.authorization, undefined);
});

for (const ending of ["", "/", "//", "/below", "/below/"]) {
  test(`an endpoint may end with '${ending}'`, async () => {
    const service = await serve();
    const { client } = await connect({ service, endpoint: service.url + ending });

    client.track({ userId: "u", type: "visit" });
    await client.flush();

    assert.equal(service.requests[0].url, ending.startsWith("/b") ? "/below/api/v1/batch" : "/api/v1/batch");
  });
}

test("track says the messageId, and takes one", async () => {
  const { client, service } = await connect();

  const said = [client.track({ userId: "u", type: "visit" }), client.track({ userId: "u", type: "visit", messageId: "mine" })];
  await client.flush();

  assert.match(said[0], UUID);
  assert.equal(said[1], "mine");
  assert.deepEqual(service.events().map((event) => event.messageId), said);
});

test("an empty messageId is none: the event gets one", async () => {
  const { client, service } = await connect();

  const said = client.track({ userId: "u", type: "visit", messageId: "" });
  await client.flush();

  assert.match(said, UUID);
  assert.equal(service.events()[0].messageId, said);
});

test("events are sent by themselves, many in one body, in order", async () => {
  const { client, service } = await connect({ flushInterval: 20 });

  for (let n = 0; n < 50; n++) client.track({ userId: "u", type: "visit", data: { n } });
  await until(() => service.bodies.length);

  assert.deepEqual(service.bodies[0].events.map((event) => event.data.n), [...Array(50).keys()]);
  assert.equal(service.bodies.length, 1);
});

test("no body has more than 64 KiB, and none of the events is missing or doubled", async () => {
  const { client, service } = await connect();

  const said = Array.from({ length: 300 }, (_, n) => client.track({ userId: "u", type: "visit", data: { text: "é".repeat(n) } }));
  assert.equal(await client.flush(), true);

  assert.ok(service.bodies.length > 1);
  assert.ok(service.requests.every(({ bytes }) => bytes < 64 * 1024));
  assert.deepEqual(service.events().map((event) => event.messageId).sort(), said.sort());
});

test("an event of more than 32 KiB is not taken, and told", async () => {
  const { client, service, errors } = await connect();

  assert.equal(client.track({ userId: "u", type: "large", data: { text: "é".repeat(16_384) } }), undefined);
  client.track({ userId: "u", type: "small" });
  await client.flush();

  assert.deepEqual(service.events().map((event) => event.type), ["small"]);
  assert.deepEqual(errors.map(({ code, dropped }) => [code, dropped[0].type]), [["not_queued", "large"]]);
  assert.match(errors[0].message, /bytes: send 32768 at the most/);
});

test("a full queue takes no more, and says so", async () => {
  const { client, service, errors } = await connect({ maxQueue: 2, flushInterval: 10_000 });

  for (const type of ["one", "two", "three"]) client.track({ userId: "u", type });
  await client.flush();

  assert.deepEqual(service.events().map((event) => event.type).sort(), ["one", "two"]);
  assert.deepEqual(errors.map(({ code, message, dropped }) => [code, message, dropped[0].type]), [
    ["not_queued", "2 events wait already: this one was not taken", "three"],
  ]);
});

/** Events of 30,000 characters; whether each was taken. */
const trackLarge = (client, count) =>
  Array.from({ length: count }, () => !!client.track({ userId: "u", type: "large", data: { text: "x".repeat(30_000) } }));

test("what waits leaves most of the origin's storage to the site, and there is room again when it is sent", async () => {
  const storage = new TestStorage();
  const { client, errors } = await device({ storage });

  const taken = trackLarge(client, 40).filter(Boolean).length;

  const texts = Array.from({ length: storage.length }, (_, index) => storage.getItem(storage.key(index)));
  const characters = texts.join("").length;
  assert.ok(characters > 950_000 && characters < 1_010_000, `${characters} characters`);
  assert.deepEqual(errors.map(({ code, dropped }) => [code, dropped.length]), Array(40 - taken).fill(["not_queued", 1]));
  assert.equal(errors[0].message, `${taken} events wait already: this one was not taken`);
  assert.equal(await client.flush(), true);
  assert.deepEqual(trackLarge(client, 30), Array(30).fill(true));
  await client.flush();
});

test("in memory any events may wait", async () => {
  const { client, errors } = await connect();

  assert.deepEqual(trackLarge(client, 40), Array(40).fill(true));
  assert.deepEqual(errors, []);
  await client.flush();
});

test("what the page itself keeps does not make the queue full", async () => {
  const storage = new TestStorage();
  for (let n = 0; n < 10; n++) storage.setItem(`of the page ${n}`, "");
  const { client, errors } = await connect({ storage, maxQueue: 2 });

  client.track({ type: "visit" });

  assert.deepEqual(errors, []);
});

test("events that are refused are told one by one, and their neighbours are taken", async () => {
  const { client, service, errors } = await connect({
    answer: (body) => {
      const outcomes = accepted(body).body.events;
      const bad = body.events.findIndex((event) => event.type === "bad");
      outcomes[bad] = { index: bad, ...refusal(400, "invalid_event").body };
      return { status: 202, body: { events: outcomes } };
    },
  });

  for (const type of ["good", "bad", "good"]) client.track({ userId: "u", type });
  assert.equal(await client.flush(), true);

  assert.equal(service.bodies.length, 1);
  assert.deepEqual(errors.map(({ code, message, status, dropped }) => [code, message, status, dropped.map(({ type }) => type)]), [
    ["invalid_event", "because of invalid_event", 202, ["bad"]],
  ]);
});

test("what was taken but for a part is told as a warning, and nothing is dropped", async () => {
  const { client, errors } = await connect({
    answer: () => ({ status: 202, body: { events: [{ index: 0, guid: "evt_1", warnings: ["userId was dropped"] }] } }),
  });

  client.track({ userId: "null", anonymousId: "a", type: "visit" });
  await client.flush();

  assert.deepEqual(errors, [{ code: "warning", message: "userId was dropped", dropped: [], status: 202 }]);
});

test("a body of which nothing is valid tells of each event", async () => {
  const { client, service, errors } = await connect({
    answer: ({ events }) => {
      const outcomes = events.map((event, index) => ({ index, ...refusal(400, "invalid_event").body }));
      return refusal(400, "invalid_event", { events: outcomes });
    },
  });

  client.track({ userId: "u", type: "" });
  client.track({ userId: "u", type: 3 });
  assert.equal(await client.flush(), true);

  assert.equal(service.bodies.length, 1);
  assert.deepEqual(errors.map(({ dropped }) => dropped.length), [1, 1]);
});

for (const status of [400, 413]) {
  test(`what makes its whole body be answered ${status} is found, and only that is dropped`, async () => {
    const { client, service, errors } = await connect({
      answer: (body) => (body.events.some((event) => event.type === "poison") ? refusal(status, "invalid_body") : accepted(body)),
    });

    for (let n = 0; n < 20; n++) client.track({ userId: "u", type: n === 7 ? "poison" : "good" });
    assert.equal(await client.flush(), true);

    const taken = service.bodies.map(({ events }) => events).filter((events) => events.every((event) => event.type === "good"));
    assert.equal(new Set(taken.flat().map((event) => event.messageId)).size, 19);
    assert.equal(taken.flat().length, 19);
    assert.deepEqual(errors.map(({ status: told, dropped }) => [told, dropped.map(({ type }) => type)]), [[status, ["poison"]]]);
  });
}

for (const [status, code] of [[401, "unknown_key"], [403, "origin_not_allowed"]]) {
  test(`an answer of ${status} drops what can't be accepted with this key, and tells`, async () => {
    const { client, service, errors } = await connect({ answer: () => refusal(status, code) });

    client.track({ userId: "u", type: "visit" });
    client.track({ userId: "u", type: "visit" });
    assert.equal(await client.flush(), true);

    assert.equal(service.bodies.length, 1);
    assert.deepEqual(errors.map((error) => [error.code, error.dropped.length]), [[code, 2]]);
  });
}

const NOT_OURS = {
  "a captive portal's page": { status: 200, text: "<html>Please sign in</html>" },
  "another service's JSON": { status: 200, body: { success: true } },
  "a proxy's 403": { status: 403, text: "Forbidden" },
  "a proxy's 403 with an error of its own": { status: 403, body: { error: "blocked by policy" } },
  "a 404": { status: 404, text: "Not Found" },
  "a 500": { status: 500, body: { error: { code: "internal_error", message: "", details: {} } } },
  "a 503": { ...refusal(503, "unavailable"), headers: { "Retry-After": "0" } },
  "a 429": { ...refusal(429, "rate_limited"), headers: { "Retry-After": "0" } },
  "a broken connection": "nothing",
};
for (const [name, answer] of Object.entries(NOT_OURS)) {
  test(`after ${name} the same event comes again`, async () => {
    const { client, service, errors } = await connect({ answer: (body, n) => (n === 1 ? answer : accepted(body)) });

    client.track({ userId: "u", type: "visit" });
    assert.equal(await client.flush(), true);

    const [first, again] = service.events();
    assert.deepEqual(again, first);
    assert.equal(service.bodies.length, 2);
    assert.deepEqual(errors.map(({ dropped }) => dropped), [[]]);
  });
}

for (const [form, header] of [["seconds", () => "2"], ["a date", () => new Date(Date.now() + 2999).toUTCString()]]) {
  test(`Retry-After in ${form} is waited for, after a reload too`, async () => {
    const times = [];
    const service = await serve((body, n) => {
      times.push(Date.now());
      return n === 1 ? { ...refusal(503, "unavailable"), headers: { "Retry-After": header() } } : accepted(body);
    });
    const storage = new TestStorage();
    const { client } = await connect({ service, storage });

    client.track({ type: "visit" });
    await until(() => times.length);
    const { client: reloaded } = await connect({ service, storage });
    assert.equal(await reloaded.flush(), true);

    assert.ok(times[1] - times[0] >= 1900, `${times[1] - times[0]} ms`);
  });
}

test("flush gives up when its time is over, and the events stay", async () => {
  let isAway = true;
  const { client, service } = await connect({
    answer: (body) => (isAway ? { ...refusal(503, "unavailable"), headers: { "Retry-After": "1" } } : accepted(body)),
  });

  client.track({ userId: "u", type: "visit" });
  assert.equal(await client.flush(50), false);
  isAway = false;

  assert.equal(await client.flush(), true);
  assert.equal(service.bodies.length, 2);
});

test("what waits survives a reload, with its key and its ids", async () => {
  const storage = new TestStorage();
  const service = await serve();
  storage.setItem("grouparoo:turn", `${Date.now() + 20_000} of another tab`);
  const { client: first } = await connect({ service, storage, flushInterval: 10_000 });
  const messageId = first.track({ type: "visit" });
  storage.removeItem("grouparoo:turn");

  const { client: second } = await connect({ service, storage, apiKey: "newer_key" });
  second.track({ type: "another" });
  assert.equal(await second.flush(), true);

  const keys = Object.fromEntries(service.bodies.map(({ apiKey, events }) => [apiKey, events.map(({ type }) => type)]));
  assert.deepEqual(keys, { _key: ["visit"], newer_key: ["another"] });
  assert.equal(service.events().find(({ type }) => type === "visit").messageId, messageId);
  assert.equal(new Set(service.events().map((event) => event.anonymousId)).size, 1);
  assert.equal(storage.length, 1);
});

test("clients of two services that share a storage send each its own events", async () => {
  const storage = new TestStorage();
  const one = await connect({ storage, apiKey: "one" });
  const two = await connect({ storage, apiKey: "two" });

  one.client.track({ type: "for one" });
  two.client.track({ type: "for two" });
  assert.deepEqual([await one.client.flush(), await two.client.flush()], [true, true]);

  const sent = [one, two].map(({ service }) => service.bodies.map(({ apiKey, events }) => [apiKey, ...events.map(({ type }) => type)]));
  assert.deepEqual(sent, [[["one", "for one"]], [["two", "for two"]]]);
});

test("what an older version of the client left in the storage is sent first", async () => {
  const storage = new TestStorage();
  storage.setItem("grouparoo:event:mi9zk3k0000-m1", '_key {"type":"older","messageId":"m1"}');
  const { client, service } = await connect({ storage });

  client.track({ type: "newer" });
  assert.equal(await client.flush(), true);

  assert.deepEqual(service.events().map(({ type }) => type), ["older", "newer"]);
});

test("tabs with one storage send each event once, without Web Locks", async () => {
  const storage = new TestStorage();
  const service = await serve();
  const tabs = await Promise.all(Array.from({ length: 4 }, () => connect({ service, storage })));

  const said = tabs.flatMap(({ client }) => Array.from({ length: 25 }, () => client.track({ type: "visit" })));
  const flushed = await Promise.all(tabs.map(({ client }) => client.flush()));

  assert.deepEqual(flushed, [true, true, true, true]);
  assert.deepEqual(service.events().map((event) => event.messageId).sort(), said.sort());
});

test("a tab that died while it was sending blocks the others for half a minute at the most", async () => {
  const storage = new TestStorage();
  storage.setItem("grouparoo:turn", `${Date.now() + 300} of the dead`);
  const { client, service } = await device({ storage });

  client.track({ type: "visit" });

  assert.equal(await client.flush(200), false);
  assert.equal(await client.flush(), true);
  assert.equal(service.bodies.length, 1);
});

for (const [name, storage] of [["full", new TestStorage(0)], ["broken", {}]]) {
  test(`a storage that is ${name} loses nothing while the page lives`, async () => {
    const { client, service, errors } = await connect({ storage });

    client.track({ type: "one" });
    client.track({ type: "two" });
    assert.equal(await client.flush(), true);

    const events = service.events();
    assert.deepEqual(events.map(({ type }) => type).sort(), ["one", "two"]);
    assert.equal(events[0].anonymousId, events[1].anonymousId);
    assert.deepEqual(errors, []);
  });
}

test("what somebody else wrote under our keys is cleared away", async () => {
  const storage = new TestStorage();
  storage.setItem("grouparoo:event:0", "{");
  storage.setItem("grouparoo:pause", "what");
  const { client, service } = await connect({ storage });

  client.track({ type: "visit" });
  assert.equal(await client.flush(), true);

  assert.equal(service.events().length, 1);
});

test("a program is no device: its events have the ids that they name", async () => {
  const { client, service } = await connect();

  client.identify("u", { plan: "pro" });
  client.track({ type: "visit", anonymousId: "a" });
  client.page({ path: "/" });
  await client.flush();

  const ids = service.events().map(({ type, userId, anonymousId, data }) => [type, userId, anonymousId, data]);
  assert.deepEqual(ids.sort(), [
    ["identify", "u", undefined, { plan: "pro" }],
    ["pageview", undefined, undefined, { path: "/" }],
    ["visit", undefined, "a", undefined],
  ]);
});

test("no call throws, and what can't be sent is told", async () => {
  const { client, errors } = await connect();
  const circular = {};
  circular.self = circular;

  for (const data of [circular, { big: 1n }]) client.track({ userId: "u", type: "visit", data });
  for (const event of [undefined, null]) client.track(event);
  for (const userId of [undefined, null, ""]) client.identify(userId);
  client.init({ apiKey: "_key" });

  assert.deepEqual(errors.map(({ code }) => code), [...Array(7).fill("invalid_event"), "init"]);
});

const ENDPOINT = { endpoint: "http://127.0.0.1" };
const INCOMPLETE = [undefined, {}, { apiKey: "_key" }, { apiKey: "_key", endpoint: "nowhere" }, { apiKey: "_key", endpoint: 3 }];
for (const options of [...INCOMPLETE, ENDPOINT, { apiKey: " ", ...ENDPOINT }, { apiKey: "a key", ...ENDPOINT }]) {
  test(`init with ${JSON.stringify(options)} says what it needs; calls afterwards say that it is missing`, async () => {
    const errors = [];
    const client = new Client();

    client.init(options && { ...options, onError: (error) => errors.push(error) });
    client.track({ userId: "u", type: "visit" });
    client.reset();

    assert.equal(await client.flush(), true);
    if (options) assert.deepEqual(errors.map(({ code, dropped }) => [code, dropped.length]), [["init", 0], ["init", 1]]);
  });
}

test("blanks around the key are not sent, and no event is lost for them", async () => {
  const { client, service } = await connect({ apiKey: " _key\n" });

  client.track({ userId: "u", type: "visit" });
  await client.flush();

  assert.deepEqual(service.bodies.map(({ apiKey, events }) => [apiKey, events.length]), [["_key", 1]]);
});

test("an onError that throws breaks nothing", async () => {
  const { client, service } = await connect({
    answer: (body, n) => (n === 1 ? refusal(401, "unknown_key") : accepted(body)),
    onError: () => {
      throw new Error("not our fault");
    },
  });

  client.track({ userId: "u", type: "one" });
  await client.flush();
  client.track({ userId: "u", type: "two" });
  assert.equal(await client.flush(), true);

  assert.deepEqual(service.events().map(({ type }) => type), ["one", "two"]);
});

async function until(isSo) {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
