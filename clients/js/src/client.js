import { Identity } from "./identity.js";
import { Pause } from "./pause.js";
import { Queue } from "./queue.js";
import { Sender } from "./sender.js";
import { Store } from "./store.js";
import { uuid } from "./uuid.js";
import { asksForPrivacy, describeView } from "./view.js";

/** The service's; what an entry of the queue is split at is not in it. */
const KEY_FORM = /^[\w-]+$/;

const NEEDS = "init needs an apiKey, of letters, digits, - and _, and an endpoint, like https://events.example.com";

/** Client: what a page or program calls; index.d.ts says what everything means. No call throws, whatever happens. */
export class Client {
  #home;
  #apiKey;
  #identity;
  #queue;
  #sender;
  #isSilent = false;
  #onError = (error) => console.warn("Grouparoo:", error.message, error);

  /** `home` is the endpoint unless `init` names one. */
  constructor(home) {
    this.#home = home;
  }

  init({ apiKey, endpoint = this.#home, onError, respectDoNotTrack, ...options } = {}) {
    if (this.#sender) return this.#report("init", "init was called before: its first call holds");
    this.#onError = onError ?? this.#onError;
    const url = urlOf(endpoint);
    this.#apiKey = String(apiKey ?? "").trim();
    if (!KEY_FORM.test(this.#apiKey) || !url) return this.#report("init", NEEDS);
    const store = new Store(options.storage ?? pageStorage());
    this.#isSilent = !!respectDoNotTrack && asksForPrivacy();
    if (this.#isSilent) return store.keys("grouparoo:").forEach((key) => store.remove(key));
    this.#start(url, store, options);
  }

  track(event) {
    if (this.#isSilent) return undefined;
    if (!this.#sender) return this.#report("init", "call init first", [event]);
    const messageId = event?.messageId || uuid();
    try {
      const occurredAt = event.occurredAt ?? new Date();
      const whole = { ...event, messageId, occurredAt, ...this.#identity?.idsOf(event) };
      this.#sender.added(this.#queue.add(this.#apiKey, whole));
      return messageId;
    } catch (error) {
      return this.#report(error instanceof RangeError ? "not_queued" : "invalid_event", error.message, [event]);
    }
  }

  identify(userId, traits) {
    if (userId == null || userId === "") return this.#report("invalid_event", `identify needs a userId, not ${userId}`);
    if (this.#sender) this.#identity?.identify(String(userId));
    return this.track({ type: "identify", userId, data: traits });
  }

  page(data) {
    return this.track({ type: "pageview", data: { ...describeView(), ...data } });
  }

  reset() {
    this.#identity?.reset();
  }

  async flush(timeoutMs = 10_000) {
    return this.#sender ? this.#sender.flush(timeoutMs) : true;
  }

  #start(url, store, { storage, flushInterval = 1000, maxQueue }) {
    // A program is no device: it sends events of many people, and each says whose it is.
    if (storage || isPage()) this.#identity = new Identity(store);
    this.#queue = new Queue(store, maxQueue ?? (store.isShared ? 1000 : 10_000), url);
    const pause = new Pause(store);
    const report = (...what) => this.#report(...what);
    this.#sender = new Sender({ url, store, queue: this.#queue, pause, intervalMs: flushInterval, report });
    const resume = () => {
      pause.endIfOffline();
      this.#sender.send();
    };
    if (isPage()) this.#listen(resume);
    resume();
  }

  #listen(resume) {
    addEventListener("online", resume);
    addEventListener("pagehide", () => this.#sender.sendBeacons());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.#sender.sendBeacons();
      else this.#sender.send();
    });
  }

  #report(code, message, dropped = [], status = 0) {
    try {
      this.#onError({ code, message, dropped, status });
    } catch (error) {
      console.error(error);
    }
  }
}

const isPage = () => typeof document !== "undefined";

function pageStorage() {
  try {
    return isPage() ? localStorage : undefined;
  } catch {
    return undefined; // cookies are blocked
  }
}

function urlOf(endpoint) {
  try {
    return new URL("api/v1/batch", new URL(`${endpoint.replace(/\/*$/, "")}/`, globalThis.location?.href)).href;
  } catch {
    return undefined; // none, or none that can be read
  }
}
