// A Storage as browsers have it, which tabs share and which a reload leaves as it is.
export class TestStorage {
  #entries = new Map();
  #room;

  /** `room` is how many entries it takes. */
  constructor(room = Infinity) {
    this.#room = room;
  }

  get length() {
    return this.#entries.size;
  }

  key(index) {
    return [...this.#entries.keys()][index] ?? null;
  }

  getItem(key) {
    return this.#entries.get(key) ?? null;
  }

  setItem(key, value) {
    if (!this.#entries.has(key) && this.length >= this.#room) throw new DOMException("it is full", "QuotaExceededError");
    this.#entries.set(key, String(value));
  }

  removeItem(key) {
    this.#entries.delete(key);
  }
}
