// The visitor whose story each SDK tells, as the test made them, and what the teller hands back.

const said = JSON.parse(process.argv[2]);

export const mode = process.argv[3];

// An app lives on while its SDK waits for its next attempt.
setInterval(() => {}, 1000);

export const visitor = {
  url: said.url,
  host: new URL(said.url).host,
  port: Number(new URL(said.url).port),
  key: said.key,
  userId: said.userId,
  anonymousId: said.anonymousId,
  traits: { step: "sign-in", ...said.traits },
  order: { step: "purchase", ...said.order },
  boughtAt: new Date(said.boughtAt),
  givenUp: [],

  gaveUp(step) {
    this.givenUp.push(step);
  },

  // Hand back what a test can't know.
  end() {
    process.stdout.write(JSON.stringify({ anonymousId: this.anonymousId, givenUp: this.givenUp }) + "\n", () => process.exit());
  },
};
