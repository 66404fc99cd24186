import { Client } from "./client.js";

/** For <script src=…>: Grouparoo, whose endpoint is the service that the script came from, unless `init` names another one. */
globalThis.Grouparoo = new Client(new URL("..", document.currentScript.src).href);
