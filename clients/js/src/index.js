import { Client } from "./client.js";

export default new Client();
