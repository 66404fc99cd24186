const TIMEOUT_MS = 15_000;

/** What a request that is the same will always be answered with. */
const FINAL = [400, 401, 403, 413, 422];

/** So many failures in a row are believed of somebody between us and the server, who answers in another form. */
const PATIENCE = 10;

/** A body of POST /api/v1/batch. With the key in it, as plain text, no browser asks for permission first (CORS preflight). */
export function bodyOf({ apiKey, events }) {
  return JSON.stringify({ apiKey, sentAt: new Date(), events });
}

/** POST it: {status, retryAfter, body: the JSON or null}; {status: 0, message} when no answer came. */
export async function post(url, body, keepalive) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const answer = await fetch(url, { method: "POST", body, keepalive, credentials: "omit", signal: stop.signal });
    const retryAfter = answer.headers.get("Retry-After");
    return { status: answer.status, retryAfter, body: await answer.json().catch(() => null) };
  } catch (error) {
    return { status: 0, message: error.message };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What becomes of a batch of `count` events: "answered" (each was taken or refused), "refused", "smaller" (send it in
 * parts, to find those that can't be taken) or "later". Somebody else's word, like a captive portal's, is not the server's.
 */
export function fateOf({ status, body }, count, failures) {
  if (status >= 200 && status < 300 && outcomesOf(body)) return "answered";
  const isOurs = typeof body?.error?.code === "string";
  if (!FINAL.includes(status) || !(isOurs || status === 413 || failures >= PATIENCE)) return "later";
  const isAboutKey = isOurs && (status === 401 || status === 403);
  return count > 1 && !isAboutKey && !outcomesOf(body) ? "smaller" : "refused";
}

/** The list of {index, guid | error, warnings?} of an answer that tells of each event. */
export function outcomesOf(body) {
  const found = body?.events ?? body?.error?.details?.events;
  return Array.isArray(found) ? found : undefined;
}
