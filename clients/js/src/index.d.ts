/** An event, as the service takes it. */
export interface GrouparooEvent {
  /** What happened, like `"pageview"` or `"purchase"`. */
  type: string;
  /** Your id of who did it. What `identify` was told, unless named here; `null`: nobody is signed in. */
  userId?: string | number | null;
  /** The id of the device. In a page the one that is kept there, unless named here; `null`: none. */
  anonymousId?: string | number | null;
  /** When it happened: now, unless named here. ISO 8601, or seconds or milliseconds since 1970, or a Date. */
  occurredAt?: Date | string | number;
  /** Values are stored as text: numbers and booleans as JSON writes them, objects and lists as JSON. `null` is left out. */
  data?: Record<string, unknown> | null;
  /** Events with the same messageId are stored once. A UUID, unless named here. */
  messageId?: string;
}

/** What went wrong, for `onError`. */
export interface GrouparooError {
  /** For programs: the service's own code, like `"invalid_event"`, `"unknown_key"`, `"rate_limited"`, or one of
   * `"init"`, `"invalid_event"`, `"not_queued"`, `"unavailable"` (it is tried again), `"warning"` (it was taken, but for a part). */
  code: string;
  /** For people. */
  message: string;
  /** The events that will not be sent any more; empty when nothing is lost. */
  dropped: GrouparooEvent[];
  /** Of the service's answer; 0 when there was none. */
  status: number;
}

/** Where ids and waiting events are kept: `localStorage`, or anything like it. */
export interface GrouparooStorage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface GrouparooOptions {
  /** A key that may write events and nothing else: pages show it to everybody. */
  apiKey: string;
  /** The service, like `"https://events.example.com"`. The script that it serves knows it by itself. */
  endpoint?: string;
  /** For how many milliseconds events are gathered before they are sent. 1000. */
  flushInterval?: number;
  /** How many events wait at the most; what comes then is not taken, and told to `onError`. 1,000 in a storage, 10,000 in memory.
   * In a storage they have a million characters at the most, so that the site's own have room. */
  maxQueue?: number;
  /** Instead of a page's localStorage, or of a program's memory. A program with a storage is a device: it has an anonymousId. */
  storage?: GrouparooStorage;
  /** Send and keep nothing, and forget what was kept, where the browser asks for it (Do Not Track, Global Privacy Control). */
  respectDoNotTrack?: boolean;
  /** Called with everything that goes wrong. `console.warn`. */
  onError?: (error: GrouparooError) => void;
}

/** No call throws, and none waits for the network but `flush`. Those that send an event return its messageId, or nothing if it was not taken. */
export interface Grouparoo {
  /** Once, before all else. */
  init(options: GrouparooOptions): void;
  track(event: GrouparooEvent): string | undefined;
  /** Say who uses this device, for this event (of type `identify`, `traits` are its data) and all later ones. */
  identify(userId: string | number, traits?: Record<string, unknown>): string | undefined;
  /** An event of type `pageview`: host, path, title, referrer, and the utm_… of the query, and what is given. */
  page(data?: Record<string, unknown>): string | undefined;
  /** The user signed out: forget the userId, and go on with another anonymousId. What waits is still sent. */
  reset(): void;
  /** Send all that waits now. Resolves to whether nothing waits any more, after 10 seconds unless told otherwise. */
  flush(timeoutMs?: number): Promise<boolean>;
}

declare const Grouparoo: Grouparoo;
export default Grouparoo;
