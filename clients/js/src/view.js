/** What `page` says of the page that is shown. Of the query only utm_…: the rest may be nobody else's business. */
export function describeView() {
  if (typeof document === "undefined") return {};
  const found = { host: location.host, path: location.pathname, title: document.title };
  if (document.referrer) found.referrer = document.referrer.split(/[?#]/)[0];
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name.startsWith("utm_")) found[name] = value;
  }
  return found;
}

/** Whether the browser is told to ask for privacy: Do Not Track, or Global Privacy Control. */
export function asksForPrivacy() {
  const { doNotTrack, globalPrivacyControl } = globalThis.navigator ?? {};
  return doNotTrack === "1" || globalPrivacyControl === true;
}
