import { connect as connectWith } from "./winston-loki.mjs";

export const connect = (url) => connectWith(url, true);
