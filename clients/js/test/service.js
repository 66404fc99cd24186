// A stand-in for the service, over real HTTP: takes what is posted, answers as it is told to.
import { createServer } from "node:http";

/** What the service says of a body all of whose events are good. */
export function accepted({ events }) {
  const outcomes = events.map((event, index) => ({ index, guid: `evt_${event.messageId}` }));
  return { status: 202, body: { accepted: events.length, rejected: 0, events: outcomes } };
}

/** What the service says of a body of which it takes nothing. */
export function refusal(status, code, details = {}) {
  return { status, body: { error: { code, message: `because of ${code}`, details } } };
}

/**
 * {url, bodies, events, close}; `answer(body, n)` says what the nth request is answered: {status, headers, body, text},
 * or "nothing" to break the connection off. The events are those of answers of 2xx, as they were sent.
 */
export async function serve(answer = accepted) {
  const bodies = [];
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = JSON.parse(text);
    requests.push({ method: request.method, url: request.url, headers: request.headers, bytes: Buffer.byteLength(text) });
    bodies.push(body);
    const said = answer(body, bodies.length);
    if (said === "nothing") return request.socket.destroy();
    response.writeHead(said.status, { "Content-Type": "application/json", ...said.headers });
    response.end(said.text ?? JSON.stringify(said.body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, bodies, requests, close, events: () => bodies.flatMap(({ events }) => events) };
}
