const PAUSE = "grouparoo:pause";
const FIRST_MS = 1000;
const LONGEST_MS = 300_000;
const DAY_MS = 86_400_000;

/** Pause: for how long the server is left alone, because it said so or because it failed; the same in every tab, and after a reload. */
export class Pause {
  #store;

  constructor(store) {
    this.#store = store;
  }

  /** Milliseconds to go. More than what is ever written means that the clock was set back: then it is over. */
  get ms() {
    const left = this.#read()[0] - Date.now();
    return left > 0 && left < 2 * DAY_MS ? left : 0;
  }

  /** How often in a row it went wrong in the same way: no answer, 4xx, 5xx. */
  get failures() {
    return this.#read()[1] || 0;
  }

  /** The same, if it went wrong in this way; else it is a first time. */
  failuresLike(status) {
    return kindOf(status) === kindOf(this.#read()[2]) ? this.failures : 0;
  }

  /** Begin after an answer, or after none (status 0). */
  begin(status, retryAfter) {
    const failures = this.failuresLike(status) + 1;
    const ms = retryAfterMs(retryAfter, Date.now()) + backoffMs(failures, Math.random());
    this.#store.set(PAUSE, `${Date.now() + ms} ${failures} ${status}`);
  }

  end() {
    this.#store.remove(PAUSE);
  }

  /** The network may be back; what the server itself said still holds. */
  endIfOffline() {
    if (!this.#read()[2]) this.end();
  }

  #read() {
    return (this.#store.get(PAUSE) ?? "").split(" ").map(Number);
  }
}

const kindOf = (status) => Math.floor(status / 100);

/** Exponential, with full jitter: after an outage not all pages come back at once. `random` is from 0 to 1. */
export function backoffMs(failures, random) {
  return random * Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
}

/** Retry-After (RFC 9110): seconds or a date; 0 for what is neither, a day at the most. */
export function retryAfterMs(text, now) {
  const ms = /^\d+$/.test(text ?? "") ? text * 1000 : Date.parse(text) - now;
  return Math.min(Math.max(ms || 0, 0), DAY_MS);
}
