/**
 * Store: a Storage that never fails. What it won't take, because it is full, blocked or not there, is kept in memory for
 * as long as this page or process lives.
 */
export class Store {
  #storage;
  #memory = new Map();

  constructor(storage) {
    this.#storage = storage;
  }

  /** Whether another tab may have its hands in it too. */
  get isShared() {
    return !!this.#storage;
  }

  /** How many keys there are at the most; those of the page itself are counted too. */
  get size() {
    return this.#memory.size + (this.#try(() => this.#storage.length) ?? 0);
  }

  /** The keys that begin so, in order. */
  keys(prefix) {
    const found = [...this.#memory.keys()];
    this.#try(() => {
      for (let i = 0; i < this.#storage.length; i++) found.push(this.#storage.key(i));
    });
    return found.filter((key) => key.startsWith(prefix)).sort();
  }

  get(key) {
    return this.#memory.get(key) ?? this.#try(() => this.#storage.getItem(key));
  }

  set(key, text) {
    this.#memory.set(key, text);
    this.#try(() => {
      this.#storage.setItem(key, text);
      this.#memory.delete(key);
    });
  }

  remove(key) {
    this.#memory.delete(key);
    this.#try(() => this.#storage.removeItem(key));
  }

  #try(work) {
    try {
      return work();
    } catch {
      return undefined;
    }
  }
}
