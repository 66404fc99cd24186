import assert from "node:assert/strict";
import { test } from "node:test";
import { Identity } from "../src/identity.js";
import { Store } from "../src/store.js";
import { TestStorage } from "./storage.js";

/** The identity of a device, on which somebody may have signed in. */
function device(userId) {
  const identity = new Identity(new Store(new TestStorage()));
  if (userId) identity.identify(userId);
  return identity;
}

// What an event names, who signed in before, and what it is sent with; OWN is the device's anonymousId.
const IDS = [
  ["nothing, before the sign-in", {}, undefined, { userId: undefined, anonymousId: "OWN" }],
  ["nothing, after the sign-in", {}, "ann", { userId: "ann", anonymousId: "OWN" }],
  ["a userId, before the sign-in", { userId: 123 }, undefined, { userId: 123, anonymousId: "OWN" }],
  ["the userId of who signed in", { userId: "ann" }, "ann", { userId: "ann", anonymousId: "OWN" }],
  ["the userId of somebody else", { userId: "bob" }, "ann", { userId: "bob", anonymousId: undefined }],
  ["no userId on purpose", { userId: null }, "ann", { userId: null, anonymousId: "OWN" }],
  ["an anonymousId, before the sign-in", { anonymousId: "a" }, undefined, { userId: undefined, anonymousId: "a" }],
  ["another anonymousId, after the sign-in", { anonymousId: "a" }, "ann", { userId: undefined, anonymousId: "a" }],
  ["no anonymousId on purpose", { anonymousId: null }, "ann", { userId: "ann", anonymousId: null }],
  ["both", { userId: "bob", anonymousId: "a" }, "ann", { userId: "bob", anonymousId: "a" }],
];
for (const [name, named, userId, expected] of IDS) {
  test(`the ids of an event that names ${name}`, () => {
    const identity = device(userId);

    const ids = identity.idsOf(named);

    assert.deepEqual(ids, { ...expected, anonymousId: expected.anonymousId === "OWN" ? identity.anonymousId : expected.anonymousId });
  });
}

test("a number that signed in is the same as its text", () => {
  assert.equal(device("123").idsOf({ userId: 123 }).anonymousId?.length, 36);
});

test("signing in keeps the anonymousId, whoever does so", () => {
  const identity = device();
  const before = identity.anonymousId;

  identity.identify("ann");
  identity.identify("bob");

  assert.deepEqual([identity.userId, identity.anonymousId], ["bob", before]);
});

test("the anonymousId is there before anything is tracked, so that two tabs do not make two", () => {
  const storage = new TestStorage();
  new Identity(new Store(storage));

  assert.equal(storage.getItem("grouparoo:anonymousId").length, 36);
});

test("after a reset nobody is signed in, and the device has another anonymousId", () => {
  const identity = device("ann");
  const before = identity.anonymousId;

  identity.reset();

  assert.equal(identity.userId, undefined);
  assert.notEqual(identity.anonymousId, before);
});
