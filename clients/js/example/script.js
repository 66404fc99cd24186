// A program that sends events: GROUPAROO_URL=http://127.0.0.1:8000 GROUPAROO_KEY=… node example/script.js
import Grouparoo from "grouparoo-events";

Grouparoo.init({ apiKey: process.env.GROUPAROO_KEY, endpoint: process.env.GROUPAROO_URL });

const purchases = [
  { userId: "ann", at: "2026-01-02T03:04:05Z", product: "sofa", price: 499.5 },
  { userId: "bob", at: "2026-01-03T03:04:05Z", product: "lamp", price: 35 },
];
for (const { userId, at, product, price } of purchases) {
  // A messageId of one's own: run it twice, and each purchase is stored once.
  const messageId = `purchase-${userId}-${at}`;
  Grouparoo.track({ type: "purchase", userId, occurredAt: at, data: { product, price }, messageId });
}

if (!(await Grouparoo.flush())) process.exitCode = 1;
