/** So began the keys before they said where their events go: those are sent by whoever finds them. */
const OLDER = "grouparoo:event:";

/** The server's limit for one event, by default. */
const MAX_EVENT_BYTES = 32 * 1024;

/** An origin has about 5 million characters of localStorage, and the site needs some too. */
const MAX_STORED_CHARACTERS = 1_000_000;

/** Browsers let requests of up to 64 KiB outlive their page. The server takes more in a body, and more events than fit in here. */
const MAX_BATCH_BYTES = 60 * 1024;

/**
 * Queue: the events that wait for an answer, each under a key of its own, so that tabs don't overwrite each other's.
 * The key has the URL that the event is for; clients of other services leave it alone. The keys of one URL sort as the
 * events were added. An entry is the API key, a blank, and the event as JSON.
 */
export class Queue {
  #store;
  #max;
  #prefix;
  #room = 0;
  #added = 0;

  constructor(store, max, url) {
    this.#store = store;
    this.#max = max;
    this.#prefix = `grouparoo:events:${url} `;
  }

  get keys() {
    return [OLDER, this.#prefix].flatMap((prefix) => this.#store.keys(prefix));
  }

  /** Its key. Throws RangeError when the event is too large or too much waits, TypeError when it can't be written as JSON. */
  add(apiKey, event) {
    const text = JSON.stringify(event);
    const size = bytesOf(text);
    if (size > MAX_EVENT_BYTES) throw new RangeError(`it has ${size} bytes: send ${MAX_EVENT_BYTES} at the most`);
    // The first look costs nothing, and is nearly always enough.
    if ((this.#room -= text.length) < 0 || this.#store.size >= this.#max) this.#makeSure(text.length);
    const place = Date.now().toString(36) + (this.#added++ % 36 ** 3).toString(36).padStart(3, "0");
    const key = `${this.#prefix}${place}-${event.messageId}`;
    this.#store.set(key, `${apiKey} ${text}`);
    return key;
  }

  /** Count what waits. Other tabs add to it meanwhile: it is counted again after an eighth of what is left. */
  #makeSure(size) {
    const { keys } = this;
    const free = this.#store.isShared ? MAX_STORED_CHARACTERS : Infinity;
    this.#room = keys.reduce((room, key) => room - (this.#store.get(key) ?? "").length, free - size) / 8;
    if (this.#room < 0 || keys.length >= this.#max) throw new RangeError(`${keys.length} events wait already: this one was not taken`);
  }

  /** The first of these entries that fit in one body, all of one API key: {apiKey, keys, events}, the lists empty if there are none. */
  take(most, keys = this.keys) {
    const batch = { apiKey: undefined, keys: [], events: [] };
    let room = MAX_BATCH_BYTES;
    for (const key of keys) {
      const entry = this.#read(key);
      if (!entry || entry.apiKey !== (batch.apiKey ??= entry.apiKey)) continue;
      room -= entry.size;
      if (batch.keys.length && (room < 0 || batch.keys.length >= most)) break;
      batch.keys.push(key);
      batch.events.push(entry.event);
    }
    return batch;
  }

  remove(keys) {
    for (const key of keys) this.#store.remove(key);
  }

  /** Nothing when another tab has just had it sent, or when somebody else wrote it. */
  #read(key) {
    const entry = this.#store.get(key) ?? "";
    const blank = entry.indexOf(" ");
    try {
      return { apiKey: entry.slice(0, blank), event: JSON.parse(entry.slice(blank)), size: bytesOf(entry) };
    } catch {
      this.#store.remove(key);
      return undefined;
    }
  }
}

const bytesOf = (text) => new TextEncoder().encode(text).length;
