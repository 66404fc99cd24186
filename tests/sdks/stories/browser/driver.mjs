// Tells a story in headless Chromium: what to tell, the story's file, its mode, and Chromium's path are the arguments.
//
// 1. Bundles the story, and serves it in a page of another origin than the service's.
// 2. Tells it, prints what the SDK said, and waits for a line: the test has seen all that was told so far.
// 3. Tells its last step and, if the line is "leave", goes to another page at once, while requests are under way.
// 4. Prints what the SDK said, and keeps the page open until there is no more input.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [said, story, mode, executablePath] = process.argv.slice(2);
const here = (name) => new URL(name, import.meta.url).pathname;

const bundled = await build({
  entryPoints: [here("page.mjs")],
  alias: { story: here(story) },
  bundle: true,
  write: false,
  logLevel: "error",
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
});
const script = `window.said = ${JSON.stringify({ ...JSON.parse(said), mode })};\n${bundled.outputFiles[0].text}`;
const types = { "/": "text/html", "/story.js": "text/javascript" };
const texts = { "/": '<!doctype html><meta charset="utf-8"><title>Shop</title><script src="/story.js"></script>', "/story.js": script };

const server = createServer(({ url }, answer) => {
  const path = new URL(url, "http://page").pathname;
  answer.writeHead(200, { "Content-Type": types[path] ?? "text/html" }).end(texts[path] ?? "<title>Elsewhere</title>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

// Nothing is asked of the SDKs' makers.
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
const browser = await chromium.launch({ executablePath, args });
const page = await browser.newPage();
page.on("console", (message) => console.error(message.text()));
page.on("pageerror", (error) => console.error(String(error)));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
await page.goto(`${origin}/`);
console.log(JSON.stringify(await page.evaluate(() => window.tell())));
const { value: how } = await lines.next();
if (how === "leave") {
  await page.evaluate(() => {
    window.leave();
    location.href = "/elsewhere";
  });
  await page.waitForURL("**/elsewhere");
  console.log("{}");
} else {
  console.log(JSON.stringify(await page.evaluate(() => window.leave())));
}
await lines.next();
await browser.close();
process.exit();
