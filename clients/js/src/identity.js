import { uuid } from "./uuid.js";

const ANONYMOUS_ID = "grouparoo:anonymousId";
const USER_ID = "grouparoo:userId";

/** Identity: who uses this device, as every tab of it knows: an anonymousId from the start, a userId after `identify`. */
export class Identity {
  #store;

  /** Makes the anonymousId if there is none, long before it is needed: a tab that opens later must find it. */
  constructor(store) {
    this.#store = store;
    if (!store.get(ANONYMOUS_ID)) this.#begin();
  }

  get anonymousId() {
    return this.#store.get(ANONYMOUS_ID) || this.#begin();
  }

  get userId() {
    return this.#store.get(USER_ID) ?? undefined;
  }

  /** Remember who signed in. That two of them had one device is for the service to sort out. */
  identify(userId) {
    this.#store.set(USER_ID, userId);
  }

  /** Forget the user; the next one begins with another anonymousId. */
  reset() {
    this.#store.remove(USER_ID);
    this.#begin();
  }

  /**
   * The ids of an event: what it names itself, and of the rest what is known here. An id that it names and that is not
   * the one known here may be of somebody else: then nothing is added, for both on one event would say that they are one.
   * `null` says that there is none.
   */
  idsOf({ anonymousId, userId }) {
    const { anonymousId: own, userId: known } = this;
    if (anonymousId === undefined && (userId == null || !known || String(userId) === known)) anonymousId = own;
    if (userId === undefined && (anonymousId === null || anonymousId === own)) userId = known;
    return { anonymousId, userId };
  }

  #begin() {
    const anonymousId = uuid();
    this.#store.set(ANONYMOUS_ID, anonymousId);
    return anonymousId;
  }
}
