import { sleep } from "./sleep.js";
import { uuid } from "./uuid.js";

const NAME = "grouparoo:turn";

/** Longer than any request takes. */
const LEASE_MS = 30_000;

/** Tabs are processes, and what one writes or removes takes a while to reach the others; a lock is there sooner. */
const SETTLE_MS = 100;

/**
 * Let one tab after the other do the work, which gets a function that says whether it is still its turn. Without Web Locks
 * (pages without https, frames that may not use them) by a lease in the storage: a tab that finds another one's comes back
 * later, so the work may not be done.
 */
export async function inTurn(store, work) {
  if (!store.isShared) return work(() => true);
  let hasBegun = false;
  const begin = () => {
    hasBegun = true;
    return sleep(SETTLE_MS).then(() => work(() => true));
  };
  try {
    if (globalThis.navigator?.locks) return await navigator.locks.request(NAME, begin);
  } catch (error) {
    if (hasBegun) throw error;
  }
  const lease = new Lease(store);
  if (!(await lease.take())) return undefined;
  try {
    return await work(() => lease.renew());
  } finally {
    lease.end();
  }
}

class Lease {
  #store;
  #owner = uuid();

  constructor(store) {
    this.#store = store;
  }

  async take() {
    const left = parseInt(this.#store.get(NAME)) - Date.now();
    if (left > 0 && left <= LEASE_MS) return false;
    this.#write();
    // Of two that wrote at once the later one stands.
    await sleep(SETTLE_MS * (1 + Math.random()));
    return this.#isOurs;
  }

  renew() {
    if (this.#isOurs) this.#write();
    return this.#isOurs;
  }

  end() {
    if (this.#isOurs) this.#store.remove(NAME);
  }

  get #isOurs() {
    return !!this.#store.get(NAME)?.endsWith(this.#owner);
  }

  #write() {
    this.#store.set(NAME, `${Date.now() + LEASE_MS} ${this.#owner}`);
  }
}
