// What the browser tests stand on: Chromium, a shop whose pages load the client, a network that can be cut, the service's API.
import { createServer } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { chromium } from "playwright-core";

/** Set by tests/clients/test_js.py, which runs the service. */
const { SERVICE_URL, API_KEY, WRITE_KEY, CHROMIUM } = process.env;
if (!SERVICE_URL) throw new Error("these tests need the running service: bin/test tests/clients runs them");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"];

/** `*.test` is this machine, without https. */
const OPTIONS = { executablePath: CHROMIUM, args: [...FLAGS, "--host-resolver-rules=MAP *.test 127.0.0.1"], headless: true };

/** Chromium on this folder: what it keeps there is there when it starts again. */
export const launch = (folder) => chromium.launchPersistentContext(folder, OPTIONS);

/** A folder that is gone after the test. */
export async function newFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), "grouparoo-browser-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

let running;
after(async () => (await running)?.close());

/** A browser that nobody has used before; they are all of one Chromium. */
export async function newBrowser(t) {
  running ??= chromium.launch(OPTIONS);
  const browser = await (await running).newContext();
  t.after(() => browser.close());
  return browser;
}

async function listen(t, handler) {
  const server = createServer(handler);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

/**
 * The way to the service: {url, requests: [{method, path, type, events}], loseAnswers}. Of so many bodies the service takes
 * the events, but nobody hears that.
 */
export async function newNetwork(t) {
  const network = { requests: [], loseAnswers: 0 };
  const port = await listen(t, async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method, url: path, headers } = request;
    const { events } = method === "POST" ? JSON.parse(body) : {};
    network.requests.push({ method, path, type: headers["content-type"], events });
    const { host, connection, "content-length": length, ...passed } = headers;
    const answer = await fetch(SERVICE_URL + path, { method, headers: passed, body: method === "POST" ? body : undefined });
    const { "content-encoding": encoding, "transfer-encoding": chunked, "content-length": size, ...told } = Object.fromEntries(answer.headers);
    const text = Buffer.from(await answer.arrayBuffer());
    if (method === "POST" && network.loseAnswers-- > 0) return request.socket.destroy();
    response.writeHead(answer.status, told);
    response.end(text);
  });
  network.url = `http://127.0.0.1:${port}`;
  network.sent = () => network.requests.flatMap(({ events }) => events ?? []).map((event) => event.messageId);
  return network;
}

/**
 * A shop of another origin than the service: its port. Its pages call init with the options in `?options=`; what onError is
 * told stands in `errors`. `/framed` shows a page in a sandbox without an origin; `/blank` has no client.
 */
export function newShop(t, network) {
  return listen(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://shop");
    response.setHeader("Content-Type", "text/html");
    response.end(pathname === "/blank" ? "" : pathname === "/framed" ? FRAME : pageOf(network, searchParams.get("options") ?? "{}"));
  });
}

const FRAME = `<!doctype html><iframe sandbox="allow-scripts" src="/"></iframe>`;

function pageOf(network, options) {
  return `<!doctype html><title>Shop</title>
    <script src="${network.url}/clients/grouparoo.js"></script>
    <script>
      const errors = [];
      Grouparoo.init({apiKey: "${WRITE_KEY}", onError: (error) => errors.push(error), ...${options}});
    </script>`;
}

/** A server with the example page in it, as somebody has it who wrote their key and their service there. */
export async function newExample(t, network) {
  const page = await readFile(new URL("../example/index.html", import.meta.url), "utf8");
  const text = page.replace("http://127.0.0.1:8000", network.url).replace("WRITE_KEY", WRITE_KEY);
  return listen(t, (_, response) => response.setHeader("Content-Type", "text/html").end(text));
}

/** GET of the service's API. */
export async function read(path) {
  const answer = await fetch(`${SERVICE_URL}/api/v1${path}`, { headers: { Authorization: `Bearer ${API_KEY}` } });
  return answer.json();
}

/** The stored events of a device, oldest first, as soon as there are so many and each is on a profile. */
export async function storedEvents(anonymousId, count) {
  const { events } = await until(`${count} stored events`, async () => {
    const found = await read(`/events?anonymousId=${anonymousId}&limit=1000`);
    return found.events.length >= count && found.events.every((event) => event.profileGuid) && found;
  });
  return events.reverse();
}

/** What the function gives as soon as it is true. */
export async function until(what, work) {
  for (const endsAt = Date.now() + 30_000; Date.now() < endsAt; ) {
    const found = await work();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within 30 s`);
}

/** The device's id, as the page has it in its storage. */
export const anonymousIdOf = (page) => page.evaluate(() => localStorage.getItem("grouparoo:anonymousId"));

/** Track so many events; their messageIds. */
export const trackIn = (page, count = 1) =>
  page.evaluate((n) => Array.from({ length: n }, () => Grouparoo.track({ type: "click" })), count);
