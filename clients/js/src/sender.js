import { bodyOf, fateOf, outcomesOf, post } from "./answer.js";
import { sleep } from "./sleep.js";
import { inTurn } from "./turn.js";

/** Sender: takes to the server what waits, one batch at a time, until nothing waits or the server wants to be left alone. */
export class Sender {
  #url;
  #store;
  #queue;
  #pause;
  #intervalMs;
  #report;
  #most = Infinity;
  #timer;
  #running;
  #onTheWay = [];
  #ofThisPage = new Set();

  constructor({ url, store, queue, pause, intervalMs, report }) {
    this.#url = url;
    this.#store = store;
    this.#queue = queue;
    this.#pause = pause;
    this.#intervalMs = intervalMs;
    this.#report = report;
  }

  /** An event was added under this key: send it soon. */
  added(key) {
    this.#ofThisPage.add(key);
    this.#plan();
  }

  /** Send all that waits, after the tab that is sending now. Never rejects. */
  send() {
    this.#running ??= inTurn(this.#store, (isOurTurn) => this.#drain(isOurTurn))
      .catch((error) => this.#report("internal_error", String(error)))
      .then(() => {
        this.#running = undefined;
        // It may stand for the end of a pause that is over.
        clearTimeout(this.#timer);
        this.#timer = undefined;
        if (this.#queue.keys.length) this.#plan();
        else this.#ofThisPage.clear();
      });
    return this.#running;
  }

  /** Send, and again, until nothing waits (true) or the time is up (false). */
  flush(timeoutMs) {
    const timeout = new Promise((resolve) => setTimeout(resolve, timeoutMs, false)?.unref?.());
    return Promise.race([this.#flush(Date.now() + timeoutMs), timeout]);
  }

  /**
   * The page may be gone in a moment: let the browser send what it added. No answer comes back, so it all stays in the
   * queue, and is sent again by whichever page comes next; the server stores it once.
   */
  sendBeacons() {
    let keys = [...this.#ofThisPage].filter((key) => !this.#onTheWay.includes(key));
    while (!this.#pause.ms && keys.length) {
      const batch = this.#queue.take(this.#most, keys);
      if (!batch.keys.length || !navigator.sendBeacon(this.#url, bodyOf(batch))) return;
      for (const key of batch.keys) this.#ofThisPage.delete(key);
      keys = keys.filter((key) => !batch.keys.includes(key));
    }
  }

  #plan() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.send();
    }, Math.max(this.#intervalMs, this.#pause.ms));
    // An outage shall not keep a Node process from its end.
    if (this.#pause.ms) this.#timer.unref?.();
  }

  async #flush(endsAt) {
    for (;;) {
      await this.send();
      if (!this.#queue.keys.length) return true;
      const ms = Math.max(this.#pause.ms, 20);
      if (Date.now() + ms > endsAt) return false;
      await sleep(ms);
    }
  }

  async #drain(isOurTurn) {
    while (!this.#pause.ms && isOurTurn()) {
      const batch = this.#queue.take(this.#most);
      if (!batch.keys.length) return;
      this.#onTheWay = batch.keys;
      await this.#deliver(batch);
      this.#onTheWay = [];
    }
  }

  async #deliver(batch) {
    const answer = await post(this.#url, bodyOf(batch), !this.#pause.failures);
    const fate = fateOf(answer, batch.keys.length, this.#pause.failuresLike(answer.status));
    // No answer: it may be too much for the line, or for somebody who hangs up on what is too large.
    if (fate === "smaller" || !answer.status) this.#most = Math.ceil(batch.keys.length / 2);
    if (fate === "later") {
      this.#pause.begin(answer.status, answer.retryAfter);
      this.#tell(answer, []);
    } else if (fate !== "smaller") {
      this.#pause.end();
      this.#most *= 2;
      this.#queue.remove(batch.keys);
      for (const key of batch.keys) this.#ofThisPage.delete(key);
      this.#tell(answer, batch.events);
    }
  }

  /** Report what the answer has against these events. */
  #tell({ status, message, body }, events) {
    const outcomes = events.length && outcomesOf(body);
    if (!outcomes) {
      const { code, message: why } = body?.error ?? {};
      this.#report(code ?? "unavailable", why ?? message ?? `the answer was ${status}`, events, status);
      return;
    }
    for (const { index, error, warnings } of outcomes) {
      if (error) this.#report(error.code, error.message, [events[index]], status);
      if (warnings) this.#report("warning", warnings.join("; "), [], status);
    }
  }
}
